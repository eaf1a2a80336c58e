package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func newQuestionsCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("questions", "List and answer what runs of playbooks ask",
		`A run asks whether to go on, where its playbook has an approval, and what became of a
command that was sent when the platform died and must not be sent twice. QUESTION is
the ID of a question.`)
	group.Example = "  vedette automation playbooks questions list --mine\n  vedette automation playbooks questions answer 4 approved --comment \"maintenance window\""
	group.AddCommand(newQuestionsList(a, f), newQuestionsAnswer(a, f))
	return group
}

func newQuestionsList(a *app, f *clientFlags) *cobra.Command {
	q := qpsclient.QuestionQuery{}
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List what is to be answered, newest first", Args: noArgs,
		Long:    "Lists the open questions of runs of your sites; with --all those that are closed as well.",
		Example: "  vedette automation playbooks questions list --mine\n  vedette automation playbooks questions list --run 12 --all -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q.Open = !all
			return a.byCall(f, "List Questions failed.", func(client *qpsclient.Client) error {
				list, err := client.Questions(cmd.Context(), q)
				if err != nil {
					return err
				}
				if f.format() == formatJSON {
					return writeJSON(a.stdout, map[string]any{"questions": list})
				}
				t := questionTable(list...)
				if f.format() == formatTable {
					if len(list) == 0 {
						fmt.Fprintln(a.stderr, "There is no such question.")
					}
					columns := []string{"ID", "RUN", "PLAYBOOK", "STEP", "FOR", "MESSAGE", "DUE"} // what fits beside each other
					if all {
						columns = append(columns, "ANSWER", "BY")
					}
					t = columnsOf(t, columns...)
				}
				return f.writeRows(a.stdout, "questions", "question", t)
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&q.Mine, "mine", false, "only questions that you are asked")
	flags.BoolVar(&all, "all", false, "closed questions as well")
	numberFlag(flags, &q.RunID, "run", 0, 0, int64(math.MaxInt64), "only questions of the run with this `ID`")
	numberFlag(flags, &q.Limit, "limit", defaultScanLimit, 1, maxScanLimit, "list at most this `number` of questions")
	return cmd
}

func questionTable(list ...qpsclient.Question) automation.Table {
	t := automation.Table{Columns: []string{
		"ID", "KIND", "RUN", "PLAYBOOK", "SITE", "STEP", "ITEM", "FOR", "MESSAGE", "ASKED", "DUE", "CLOSED", "ANSWER", "BY", "COMMENT",
	}, TimeColumns: []string{"ASKED", "DUE", "CLOSED"}}
	for _, q := range list {
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(q.ID, 10), q.Kind, strconv.FormatInt(q.RunID, 10), q.Playbook, q.Site.Name, q.Step, strconv.Itoa(q.Item), strings.Join(q.Assignees, ", "),
			q.Message, qps.FormatTime(q.Asked), qps.FormatTime(q.Due), qps.FormatTime(q.Closed), q.Answer, q.By, q.Comment,
		})
	}
	return t
}

func newQuestionsAnswer(a *app, f *clientFlags) *cobra.Command {
	var comment string
	answers := qpsclient.Answers("")
	cmd := &cobra.Command{
		Use: "answer QUESTION ANSWER", Short: "Answer a question, with which its run goes on", Args: exactArgs("QUESTION", "ANSWER"),
		Long: `Answers a question that you are asked. An approval is approved or rejected. Of a command
of which nobody knows what became, the answer is carried-out, not-carried-out, or
send-again.`,
		Example: "  vedette automation playbooks questions answer 4 approved\n  vedette automation playbooks questions answer 5 not-carried-out --comment \"no such key on the platform\"",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return answers, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID("question", args[0])
			if err != nil {
				return err
			}
			var answer string
			if err := (oneOf{&answer, answers}).Set(args[1]); err != nil {
				return usagef("answer %s: %w", quote(args[1]), err)
			}
			return a.byCall(f, "Answer Question failed.", func(client *qpsclient.Client) error {
				q, err := client.AnswerQuestion(cmd.Context(), id, answer, comment)
				if err != nil {
					return err
				}
				if f.format() == formatJSON {
					return writeJSON(a.stdout, q)
				}
				return a.writeUpright(f, "question", questionTable(q))
			})
		},
	}
	cmd.Flags().StringVar(&comment, "comment", "", "`text` that is kept with the answer")
	return cmd
}
