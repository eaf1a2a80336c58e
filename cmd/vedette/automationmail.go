package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps/qpsclient"
)

func newMailCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("mail", "Set how mail is sent, and test it",
		`A platform tells people by mail when a connection stops working and works again, and
when a schedule is paused. Here is set which mail server takes it. Without settings,
notices wait for a day; settings that are made have them sent at once. For managers.`)
	group.Example = `  vedette automation mail set --host smtp.example.org --from "Vedette <vedette@example.org>" \
      --account vedette --account-password-file pw
  vedette automation mail test soc@example.org
  vedette automation mail show`
	group.AddCommand(newMailShow(a, f), newMailSet(a, f), newMailTest(a, f), newMailRemove(a, f))
	return group
}

func (a *app) writeMailSettings(f *clientFlags, s qpsclient.MailSettings) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, s)
	}
	return a.writeUpright(f, "mail", automation.Table{
		Columns: []string{"HOST", "PORT", "SECURITY", "ACCOUNT", "PASSWORD", "AUTH", "FROM", "AUTHORITY", "PLAYBOOKS WRITE TO"},
		Rows:    [][]string{{s.Host, strconv.Itoa(s.Port), s.Security, s.Username, s.Password, s.Auth, s.From, authorityText(s.CA), cmp.Or(strings.Join(s.PlaybookDomains, ", "), "the domain of the sender")}},
	})
}

// authorityText says whom a server is trusted by.
func authorityText(ca string) string {
	if ca == "" {
		return "those of the platform's machine"
	}
	return "one of its own"
}

func newMailShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show", Aliases: []string{"get"}, Short: "Show the settings for mail", Args: noArgs,
		Long:    "Shows the settings for mail. The password is never shown.",
		Example: "  vedette automation mail show\n  vedette automation mail show -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.byCall(f, "Show Mail Settings failed.", func(client *qpsclient.Client) error {
				s, err := client.MailSettings(cmd.Context())
				if err != nil {
					return err
				}
				return a.writeMailSettings(f, s)
			})
		},
	}
}

// mailFlags are what can be said of the settings for mail.
type mailFlags struct {
	qpsclient.MailSettings
	passwordFile, authorityFile string
	domains                     []string
}

func newMailSet(a *app, f *clientFlags) *cobra.Command {
	var m mailFlags
	securities, auths := []string{"starttls", "tls", "none"}, []string{"auto", "plain", "login", "cram-md5"}
	cmd := &cobra.Command{
		Use: "set", Short: "Make or change the settings for mail", Args: noArgs,
		Long: `Makes the settings for mail, or changes what is given and leaves the rest. A password
stays only while host, port, security, auth and authority stay as they are: it is not
sent elsewhere, nor with less care. With --security none an account is used on the
platform's own machine alone.

Steps of playbooks send mail to the domain of the sender, or to those that
--playbook-domain names instead. What the platform tells people is not bound by that.`,
		Example: `  vedette automation mail set --host smtp.example.org --from "Vedette <vedette@example.org>" --account vedette --account-password-file pw
  pass show smtp | vedette automation mail set --host smtp.example.org --security tls --account vedette --account-password-file - --from vedette@example.org
  vedette automation mail set --from noc@example.org
  vedette automation mail set --playbook-domain example.org --playbook-domain example.net`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.byCall(f, "Set Mail Settings failed.", func(client *qpsclient.Client) error {
				s, err := m.settings(cmd.Context(), a, cmd, f, client)
				if err != nil {
					return err
				}
				if s, err = client.SetMailSettings(cmd.Context(), s); err != nil {
					return err
				}
				return a.writeMailSettings(f, s)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&m.Host, "host", "", "`name` or address of the mail server")
	flags.IntVar(&m.Port, "port", 0, "`port` of the mail server; 587 with starttls, 465 with tls and 25 with none unless said otherwise")
	flags.Var(oneOf{&m.Security, securities}, "security", "how the connection is encrypted, starttls unless said otherwise")
	flags.StringVar(&m.Username, "account", "", "user `name` at the mail server; empty for none")
	flags.StringVar(&m.passwordFile, "account-password-file", "", "`file` with the password of --account, - for standard input; asked for at a terminal")
	flags.Var(oneOf{&m.Auth, auths}, "auth", "how the account is proven, auto unless said otherwise")
	flags.StringVar(&m.From, "from", "", "`address` of the sender, such as \"Vedette <vedette@example.org>\"")
	flags.StringVar(&m.authorityFile, "authority-file", "", "`file` with the certificates that the server's is signed by; empty for those that the platform's machine trusts")
	flags.StringSliceVar(&m.domains, "playbook-domain", nil, "`domain` to which playbooks may send mail, without subdomains, * for all; can be repeated, empty for that of the sender")
	completeOneOf(cmd, "security", securities)
	completeOneOf(cmd, "auth", auths)
	return cmd
}

// settings returns the settings there are with what the flags say.
func (m *mailFlags) settings(ctx context.Context, a *app, cmd *cobra.Command, f *clientFlags, client *qpsclient.Client) (qpsclient.MailSettings, error) {
	s, err := client.MailSettings(ctx)
	if none, ok := errors.AsType[*qpsclient.StatusError](err); ok && none.StatusCode == http.StatusNotFound {
		s, err = qpsclient.MailSettings{}, nil
	}
	if err != nil {
		return s, err
	}
	given := cmd.Flags().Changed
	before := s
	for _, text := range []struct {
		flag  string
		field *string
		value string
	}{{"host", &s.Host, m.Host}, {"security", &s.Security, m.Security}, {"account", &s.Username, m.Username}, {"auth", &s.Auth, m.Auth}, {"from", &s.From, m.From}} {
		if given(text.flag) {
			*text.field = text.value
		}
	}
	if given("port") || s.Security != before.Security {
		s.Port = m.Port // the usual one of another security
	}
	if given("playbook-domain") {
		s.PlaybookDomains = slices.DeleteFunc(m.domains, func(domain string) bool { return domain == "" })
	}
	if m.authorityFile != "" {
		content, err := a.readInput(m.authorityFile, maxParameterBytes)
		if err != nil {
			return s, err
		}
		s.CA = string(content)
	} else if given("authority-file") {
		s.CA = ""
	}
	return s, m.password(a, f, &s, before)
}

// password fills in the password: of the file, from the terminal where there is none
// to keep, or none.
func (m *mailFlags) password(a *app, f *clientFlags, s *qpsclient.MailSettings, before qpsclient.MailSettings) (err error) {
	switch {
	case s.Username == "":
		if m.passwordFile != "" {
			return usagef("--account-password-file needs --account")
		}
		s.Password = ""
	case m.passwordFile == "-" && (f.passwordFile == "-" || f.tokenFile == "-" || m.authorityFile == "-"):
		return usagef("--account-password-file - and another file cannot both come from standard input")
	case m.passwordFile != "":
		s.Password, err = a.readSecretFile(m.passwordFile, "password")
	case before.Password == "" || s.Host != before.Host || s.Port != before.Port || s.Security != before.Security || s.Auth != before.Auth || s.CA != before.CA:
		ask := a.askPassword(settings{username: s.Username, url: s.Host})
		if ask == nil {
			return usagef("the password of %s at %s is needed: give --account-password-file, - for standard input", quote(s.Username), quote(s.Host))
		}
		s.Password, err = ask()
	}
	return err
}

func newMailTest(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "test ADDRESS...", Short: "Send a test mail", Args: minArgs("ADDRESS"),
		Long:    "Sends a test mail to at most ten addresses, by the settings there are, and says what the\nmail server answered.",
		Example: "  vedette automation mail test soc@example.org",
		RunE: func(cmd *cobra.Command, args []string) error {
			const indicator = "Test Mail failed."
			return a.byCall(f, indicator, func(client *qpsclient.Client) error {
				became, err := client.TestMail(cmd.Context(), args...)
				if err != nil {
					return err
				}
				return a.writeNoticeTest(f, indicator, "The mail server took a mail for "+strings.Join(args, ", ")+".", became)
			})
		},
	}
}

// writeNoticeTest says what became of a test; one that was not delivered is an error.
func (a *app) writeNoticeTest(f *clientFlags, indicator, done string, became qpsclient.NoticeTest) error {
	if f.format() == formatJSON {
		if err := writeJSON(a.stdout, became); err != nil {
			return err
		}
	}
	if !became.Delivered {
		return outcomeError{automation.Outcome{State: automation.Failed, Errors: []automation.Error{{
			Indicator: indicator, StatusCode: http.StatusBadGateway, Message: became.Message, Resolution: became.Resolution,
		}}}}
	}
	if f.format() != formatJSON {
		fmt.Fprintln(a.stdout, printable(done))
	}
	return nil
}

func newMailRemove(a *app, f *clientFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "remove", Aliases: []string{"delete"}, Short: "Remove the settings for mail", Args: noArgs,
		Long: `Removes the settings for mail with their password with --yes; without it, only says
which that would be. Mail that is pending waits for other settings until it is given
up.`,
		Example: "  vedette automation mail remove --yes",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.byCall(f, "Remove Mail Settings failed.", func(client *qpsclient.Client) error {
				s, err := client.MailSettings(cmd.Context())
				if err != nil {
					return err
				}
				if !yes {
					return a.onlySaid("The settings for mail, of the server " + s.Host + ", would be removed.")
				}
				if err := client.RemoveMailSettings(cmd.Context()); err != nil {
					return err
				}
				_, err = fmt.Fprintln(a.stdout, "The settings for mail are removed.")
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "remove them")
	return cmd
}

// onlySaid says what a command without --yes would do.
func (a *app) onlySaid(would string) error {
	_, err := fmt.Fprintf(a.stdout, "%s\nNothing was changed; repeat the command with --yes to remove.\n", printable(would))
	return err
}
