package main

import (
	"bytes"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation/plan"
)

func newPlanExport(a *app, f *clientFlags) *cobra.Command {
	var kinds []string
	var selection plan.Selection
	cmd := &cobra.Command{
		Use: "export DIR|-", Short: "Write what the platform has as files", Args: exactArgs("DIR"),
		Long: `Writes what the platform has to a folder, a file for each kind: tags.yaml, keys.yaml,
profiles.yaml, connectors.yaml, and of the automation layer sites.yaml, relays.yaml,
connections.yaml, playbooks.yaml, schedules.yaml, mail.yaml and webhook.yaml, as far as
you see it. - writes all of it to standard output. A plan with the files is empty, and
on another platform makes the same.

What the platform made for itself is left out, and so are secrets: passwords, tokens
and keys are in no file, nor is what is behind the server of the webhook. Files that exist are not overwritten.`,
		Example: `  vedette plan export fleet/
  vedette plan export - --site SOC > soc.yaml
  vedette plan export - --kind Connection --kind Schedule --connection lab | vedette plan -f - --connection production`,
		RunE: func(cmd *cobra.Command, args []string) error {
			toOutput := args[0] == "-"
			if toOutput && f.format() != formatTable {
				return usagef("- writes YAML, and -o %s something else: name a folder", f.format())
			}
			for _, text := range kinds {
				kind, err := kindNamed(text)
				if err != nil {
					return err
				}
				selection.Kinds = append(selection.Kinds, kind)
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			described, err := plan.Describe(cmd.Context(), client, selection)
			if err != nil {
				return automationFailure("Export failed.", err)
			}
			if toOutput {
				return a.writeDocuments(described)
			}
			if err := writeDescribed(args[0], described.Files); err != nil {
				return err
			}
			return a.writeExported(f.format(), args[0], described)
		},
	}
	cmd.Flags().StringSliceVar(&kinds, "kind", nil, "only documents of this `kind`, such as Connection; can be repeated")
	cmd.Flags().StringVar(&selection.Site, "site", "", "only what belongs to the `site` of this name, with the relays it uses")
	completeOneOf(cmd, "kind", kindNames())
	a.completeFlagNames(cmd, f, "site", siteNames)
	return cmd
}

func kindNames() []string {
	var names []string
	for _, kind := range plan.Kinds() {
		names = append(names, string(kind))
	}
	return names
}

// kindNamed reads the name of a kind, in any case.
func kindNamed(text string) (plan.Kind, error) {
	names := kindNames()
	at := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, text) })
	if at < 0 {
		return "", usagef("--kind %s: use %s", quote(text), strings.Join(names, ", "))
	}
	return plan.Kind(names[at]), nil
}

// writeDocuments writes the documents of all files as those of one.
func (a *app) writeDocuments(d *plan.Described) error {
	a.writeLeftOut(d)
	var contents [][]byte
	for _, f := range d.Files {
		contents = append(contents, f.Content)
	}
	_, err := a.stdout.Write(bytes.Join(contents, []byte("---\n")))
	return err
}
