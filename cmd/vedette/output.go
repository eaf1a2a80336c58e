package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
)

// outputFormat is the value of -o.
type outputFormat string

const (
	formatTable outputFormat = "table"
	formatJSON  outputFormat = "json"
	formatXML   outputFormat = "xml"
	formatCSV   outputFormat = "csv"
)

func outputFormats() []string {
	return []string{string(formatTable), string(formatJSON), string(formatXML), string(formatCSV)}
}

// oneOf is a flag whose value is one of a few words.
type oneOf struct {
	value   *string
	allowed []string
}

func (o oneOf) String() string {
	if o.value == nil {
		return ""
	}
	return *o.value
}

func (o oneOf) Type() string { return strings.Join(o.allowed, "|") }

func (o oneOf) Set(s string) error {
	for _, word := range o.allowed {
		if strings.EqualFold(s, word) {
			*o.value = word
			return nil
		}
	}
	return fmt.Errorf("use one of %s", strings.Join(o.allowed, ", "))
}

// completeOneOf completes the words of a oneOf flag.
func completeOneOf(cmd *cobra.Command, flag string, allowed []string) {
	complete := cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the flag was not defined, or this is called twice
	}
}

// printable replaces control characters, with which the name of a host could
// otherwise steer the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// counted is a number with its noun, in the plural unless it is 1.
func counted[N int | int64](n N, noun string) string { return countedAs(n, noun, noun+"s") }

// countedAs is counted for a noun whose plural is another.
func countedAs[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n) + " " + many
}

// writeTable writes aligned columns for people.
func writeTable(w io.Writer, t automation.Table) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.Columns}, t.Rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			if cells[i] = printable(cell); cells[i] == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	return tw.Flush()
}

func writeCSV(w io.Writer, t automation.Table) error {
	out := csv.NewWriter(w)
	if err := out.Write(t.Columns); err != nil {
		return err
	}
	return out.WriteAll(t.Rows)
}

// writeJSON writes v, or JSON that is there already, indented.
func writeJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode output: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return fmt.Errorf("indent output: %w", err)
	}
	b.WriteByte('\n')
	_, err = w.Write(b.Bytes())
	return err
}

// xmlElement is an element with text or with children.
type xmlElement struct {
	XMLName  xml.Name
	Text     string `xml:",chardata"`
	Children []xmlElement
}

func element(name string, children ...xmlElement) xmlElement {
	return xmlElement{XMLName: xml.Name{Local: name}, Children: children}
}

func textElement(name, text string) xmlElement {
	return xmlElement{XMLName: xml.Name{Local: name}, Text: text}
}

// tableElements returns the rows of a table as elements of that name, with an
// element per cell that is named by its column: LAST CHECKED IN is
// lastCheckedIn.
func tableElements(name string, t automation.Table) []xmlElement {
	names := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		names[i] = camelCase(column)
	}
	rows := make([]xmlElement, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = element(name)
		for j, cell := range row {
			rows[i].Children = append(rows[i].Children, textElement(names[j], cell))
		}
	}
	return rows
}

func camelCase(column string) string {
	words := strings.Fields(strings.ToLower(column))
	for i := 1; i < len(words); i++ {
		words[i] = strings.ToUpper(words[i][:1]) + words[i][1:]
	}
	return strings.Join(words, "")
}

func writeXML(w io.Writer, root xmlElement) error {
	text, err := xml.MarshalIndent(root, "", "  ")
	if err != nil {
		return fmt.Errorf("encode output: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	return err
}

// writeOutcome writes the outcome of a command: the result table for people and
// spreadsheets, all of it for programs.
func writeOutcome(w io.Writer, format outputFormat, o automation.Outcome) error {
	switch format {
	case formatJSON:
		return writeJSON(w, o)
	case formatXML:
		return writeXML(w, outcomeElement(o))
	case formatCSV:
		return writeCSV(w, o.Result)
	default:
		if len(o.Result.Rows) == 0 {
			return nil
		}
		return writeTable(w, o.Result)
	}
}

func outcomeElement(o automation.Outcome) xmlElement {
	root := element("outcome", textElement("returnData", string(o.State)), element("result", tableElements("item", o.Result)...))
	var errs []xmlElement
	for _, e := range o.Errors {
		entry := element("error",
			textElement("failureIndicator", e.Indicator), textElement("statusCode", fmt.Sprint(e.StatusCode)), textElement("message", e.Message))
		if e.Resolution != "" {
			entry.Children = append(entry.Children, textElement("resolution", e.Resolution))
		}
		errs = append(errs, entry)
	}
	if len(errs) > 0 {
		root.Children = append(root.Children, element("errors", errs...))
	}
	return root
}

// writeRows writes rows that are not the outcome of a command: a table for
// people, CSV, or XML with elements of these names. JSON is for the caller to
// write, with its types.
func writeRows(w io.Writer, format outputFormat, root, item string, t automation.Table) error {
	switch format {
	case formatXML:
		return writeXML(w, element(root, tableElements(item, t)...))
	case formatCSV:
		return writeCSV(w, t)
	default:
		return writeTable(w, t)
	}
}

// writeRows is writeRows in the form the flags name, with times as the user reads
// them where people read.
func (f *clientFlags) writeRows(w io.Writer, root, item string, t automation.Table) error {
	if f.format() == formatTable {
		t = t.Shown(f.times)
	}
	return writeRows(w, f.format(), root, item, t)
}

// writeRecords writes records as the API has them for programs; table is for
// spreadsheets, and shown for people.
func writeRecords[T qps.Record](a *app, f *clientFlags, schema string, list []T, table, shown automation.Table) error {
	records := make([]qps.Record, len(list))
	for i, r := range list {
		records[i] = r
	}
	response := qps.NewResult(schema, records...)
	response.BaseURL = f.platform
	switch f.format() {
	case formatJSON:
		return writeJSON(a.stdout, json.RawMessage(qps.AppendRawData(nil, response)))
	case formatXML:
		_, err := a.stdout.Write(qps.AppendResponse(nil, qps.XML, response, nil))
		return err
	case formatCSV:
		return writeCSV(a.stdout, table)
	}
	return writeTable(a.stdout, shown.Shown(f.times))
}
