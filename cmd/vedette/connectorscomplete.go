package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/qps/qpsclient"
)

// completionLimit is how long a completion asks the platform: somebody waits at
// the prompt.
const completionLimit = 2 * time.Second

// nameSource returns the names that some objects of a platform have.
type nameSource func(context.Context, *qpsclient.Client) ([]string, error)

func connectorNames(ctx context.Context, client *qpsclient.Client) ([]string, error) {
	list, err := client.AWSConnectors(ctx)
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Name
	}
	return names, err
}

func authRecordNames(ctx context.Context, client *qpsclient.Client) ([]string, error) {
	list, err := client.AWSAuthRecords(ctx)
	names := make([]string, len(list))
	for i, r := range list {
		names[i] = r.Name
	}
	return names, err
}

// completeNames completes names that the platform is asked for, those that are
// arguments already left out, and at most this number of arguments; zero is any.
// Without an answer in time nothing is offered.
func (a *app) completeNames(f *clientFlags, names nameSource, atMost int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		if atMost > 0 && len(args) >= atMost {
			return nil, none
		}
		client, _, err := a.connectorClient(f)
		if err != nil {
			return nil, none
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionLimit)
		defer cancel()
		list, err := names(ctx, client)
		if err != nil {
			return nil, none
		}
		return slices.DeleteFunc(list, func(name string) bool {
			return !strings.HasPrefix(name, begun) || slices.Contains(args, name)
		}), none
	}
}

// completeNamesOf lets the arguments of commands complete.
func (a *app) completeNamesOf(f *clientFlags, names nameSource, atMost int, commands ...*cobra.Command) {
	for _, cmd := range commands {
		cmd.ValidArgsFunction = a.completeNames(f, names, atMost)
	}
}
