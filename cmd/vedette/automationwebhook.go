package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps/qpsclient"
)

func newWebhookCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("webhook", "Set where notices are posted, and test it",
		`A platform posts what it tells people to a webhook as well, as JSON that is signed as
Standard Webhooks says: a chat, a ticket system or another automation takes it from
there. The secret for signatures is made by the platform and shown once. For managers.`)
	group.Example = `  vedette automation webhook set https://soc.example.org/hooks/vedette
  vedette automation webhook test
  vedette automation webhook rotate`
	group.AddCommand(newWebhookShow(a, f), newWebhookSet(a, f), newWebhookRotate(a, f), newWebhookTest(a, f), newWebhookRemove(a, f))
	return group
}

func webhookTable(w qpsclient.Webhook) automation.Table {
	return automation.Table{Columns: []string{"GOES TO", "AUTHORITY"}, Rows: [][]string{{w.URL, authorityText(w.CA)}}}
}

// writeWebhook writes a webhook, with its secret where that was made now.
func (a *app) writeWebhook(f *clientFlags, made qpsclient.WebhookSecret) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, made)
	}
	t := webhookTable(made.Webhook)
	if made.Secret == "" {
		return a.writeUpright(f, "webhook", t)
	}
	t.Columns, t.Rows[0] = append(t.Columns, "SECRET"), append(t.Rows[0], made.Secret)
	if err := a.writeUpright(f, "webhook", t); err != nil {
		return err
	}
	fmt.Fprintln(a.stderr, shownOnce)
	return nil
}

func newWebhookShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show", Aliases: []string{"get"}, Short: "Show the webhook", Args: noArgs,
		Long:    "Shows where the webhook goes. Its secret is not shown again; 'rotate' makes another.",
		Example: "  vedette automation webhook show\n  vedette automation webhook show -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.byCall(f, "Show Webhook failed.", func(client *qpsclient.Client) error {
				w, err := client.Webhook(cmd.Context())
				if err != nil {
					return err
				}
				if f.format() == formatJSON {
					return writeJSON(a.stdout, w)
				}
				return a.writeUpright(f, "webhook", webhookTable(w))
			})
		},
	}
}

func newWebhookSet(a *app, f *clientFlags) *cobra.Command {
	var authorityFile string
	cmd := &cobra.Command{
		Use: "set URL", Short: "Set where the webhook goes", Args: exactArgs("URL"),
		Long: `Sets the URL that notices are posted to: https, or http to the platform's own
machine. A URL that is a secret by itself, as those of chats are, is read from standard
input in place of -. The first time the secret for signatures is made and shown;
later it stays.`,
		Example: `  vedette automation webhook set https://soc.example.org/hooks/vedette
  pass show soc-hook | vedette automation webhook set - --authority-file ca.pem`,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := a.webhookOf(f, args[0], authorityFile)
			if err != nil {
				return err
			}
			return a.byCall(f, "Set Webhook failed.", func(client *qpsclient.Client) error {
				made, err := client.SetWebhook(cmd.Context(), w)
				if err != nil {
					return err
				}
				return a.writeWebhook(f, made)
			})
		},
	}
	cmd.Flags().StringVar(&authorityFile, "authority-file", "", "`file` with the certificates that the receiver's is signed by, in place of those that the platform's machine trusts")
	return cmd
}

func (a *app) webhookOf(f *clientFlags, address, authorityFile string) (w qpsclient.Webhook, err error) {
	w.URL = address
	if address == "-" {
		if f.passwordFile == "-" || f.tokenFile == "-" || authorityFile == "-" {
			return w, usagef("the URL and another file cannot both come from standard input")
		}
		if w.URL, err = a.readSecretFile("-", "URL"); err != nil {
			return w, err
		}
	}
	if authorityFile == "" {
		return w, nil
	}
	content, err := a.readInput(authorityFile, maxParameterBytes)
	w.CA = string(content)
	return w, err
}

func newWebhookRotate(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "rotate", Short: "Give the webhook another secret, and show it", Args: noArgs,
		Long: `Makes another secret for signatures and shows it this once. The one before signs
nothing any more: what the receiver refuses until it has the new one is tried again.`,
		Example: "  vedette automation webhook rotate\n  vedette automation webhook rotate -o json | jq -r .secret",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.byCall(f, "Rotate Secret of Webhook failed.", func(client *qpsclient.Client) error {
				made, err := client.RotateWebhookSecret(cmd.Context())
				if err != nil {
					return err
				}
				return a.writeWebhook(f, made)
			})
		},
	}
}

func newWebhookTest(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "test", Short: "Post a test to the webhook", Args: noArgs,
		Long:    "Posts an event of the type test, signed like all others, and says what the receiver answered.",
		Example: "  vedette automation webhook test",
		RunE: func(cmd *cobra.Command, _ []string) error {
			const indicator = "Test Webhook failed."
			return a.byCall(f, indicator, func(client *qpsclient.Client) error {
				became, err := client.TestWebhook(cmd.Context())
				if err != nil {
					return err
				}
				return a.writeNoticeTest(f, indicator, "The receiver took the test.", became)
			})
		},
	}
}

func newWebhookRemove(a *app, f *clientFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "remove", Aliases: []string{"delete"}, Short: "Remove the webhook", Args: noArgs,
		Long:    "Removes the webhook with its secret with --yes; without it, only says which that would be.",
		Example: "  vedette automation webhook remove --yes",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.byCall(f, "Remove Webhook failed.", func(client *qpsclient.Client) error {
				w, err := client.Webhook(cmd.Context())
				if err != nil {
					return err
				}
				if !yes {
					return a.onlySaid("The webhook to " + hostOf(w.URL) + " would be removed.")
				}
				if err := client.RemoveWebhook(cmd.Context()); err != nil {
					return err
				}
				_, err = fmt.Fprintln(a.stdout, "The webhook is removed.")
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "remove it")
	return cmd
}

// hostOf is what of a URL is no secret.
func hostOf(text string) string {
	parsed, err := url.Parse(text)
	if err != nil {
		return "an unreadable URL"
	}
	return parsed.Host
}
