// Package integration declares what the automation layer can do with a platform:
// an [Integration] has the parameters of a connection and the [Command]s that
// connections, schedules, playbooks and people run.
//
// Manifests, one YAML file for each integration, say names, words, inputs and
// permissions; Go functions do the work, registered by the name of the command.
// A manifest that does not fit its functions, or has a field that nobody knows,
// does not load.
//
//	command, _ := integration.Command("qualys-cloud-agent", "search-cloud-agents")
//	values, err := command.Check(map[string]any{"OS": "Windows"}, nil)
//	…
//	answer := command.Execute(ctx, session, integration.Call{Values: values, Key: "run-17/find"})
//	for answer.Continue != nil {
//		// store answer.Continue.Cursor, let go of the worker, come back after answer.Continue.After
//		answer = command.Execute(ctx, session, integration.Call{Values: values, Key: "run-17/find", Cursor: answer.Continue.Cursor})
//	}
//
// Nothing here sleeps for long or keeps state between calls: a command that has
// to wait, for scans to end or because the platform asks for patience, hands back
// a [Continuation].
//
// The words of the integration "Qualys Cloud Agent" are those published for D3
// SOAR on 22 January 2025 where that text fixes them: names of commands, inputs,
// choices and parameters, defaults, permissions and errors.
package integration
