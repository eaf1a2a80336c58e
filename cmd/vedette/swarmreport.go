package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/swarm"
)

// writeSwarmReport writes what a swarm has measured.
func writeSwarmReport(w io.Writer, format outputFormat, r *swarm.Report) error {
	if format == formatJSON {
		return writeJSON(w, r)
	}
	if err := writeTable(w, swarmSummary(r)); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t := automation.Table{Columns: []string{"REQUEST", "COUNT", "PER SECOND", "P50 MS", "P95 MS", "P99 MS", "MAX MS", "SENT", "RECEIVED", "ERRORS"}}
	for _, k := range r.Requests {
		t.Rows = append(t.Rows, []string{
			k.Kind, strconv.FormatInt(k.Count, 10), decimal(k.PerSecond),
			decimal(k.Latency.P50), decimal(k.Latency.P95), decimal(k.Latency.P99), decimal(k.Latency.Max),
			bytesText(k.SentBytes), bytesText(k.ReceivedBytes), countsText(k.Errors),
		})
	}
	return writeTable(w, t)
}

// fewestForMemory is how many agents outweigh what the process needs without any.
const fewestForMemory = 100

func swarmSummary(r *swarm.Report) automation.Table {
	t := automation.Table{Columns: []string{"SWARM", "VALUE"}}
	add := func(name, format string, args ...any) {
		t.Rows = append(t.Rows, []string{name, fmt.Sprintf(format, args...)})
	}
	ended := ""
	if r.Stopped {
		ended = ", stopped before its end"
	}
	add("Scenario", "%s, %g times the world's speed, %.1f s%s", r.Scenario, r.Speed, r.Seconds, ended)
	add("Agents", "%d at a time, %s, %s", r.Agents, counted(r.Hosts, "host"), countedAs(r.Identities, "identity", "identities"))
	first := fmt.Sprintf("%d of %s", r.Inventoried, counted(r.Hosts, "host"))
	if r.FirstInventories > 0 {
		first = fmt.Sprintf("%d, all after %.1f s, %.0f hosts/s", r.Inventoried, r.FirstInventories, float64(r.Agents)/r.FirstInventories)
	}
	add("First inventories", "%s", first)
	if len(r.Ended) > 0 {
		counts := make(map[string]int64, len(r.Ended))
		for why, n := range r.Ended {
			counts[why] = int64(n)
		}
		add("Agents that ended", "%s", countsText(counts))
	}
	if o := r.Outage; o != nil {
		add("After the outage", "%d requests lost; check-ins per minute: mean %.1f, peak %d, peak/mean %.2f", o.Lost, o.MeanPerMinute, o.PeakPerMinute, o.PeakToMean)
	}
	add("Connections", "%d opened; waiting for one: p50 %s, p99 %s ms", r.Connections.Opened, decimal(r.Connections.Wait.P50), decimal(r.Connections.Wait.P99))
	add("On the network", "%s sent, %s received", bytesText(r.Connections.SentBytes), bytesText(r.Connections.ReceivedBytes))
	if r.Agents >= fewestForMemory {
		add("Memory here", "%s for each agent", bytesText(r.MemoryPerAgent))
	}
	return t
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

// bytesText writes a number of bytes for people.
func bytesText(n int64) string {
	units := []string{"B", "KB", "MB", "GB", "TB"}
	value, unit := float64(n), 0
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// countsText writes counted words, the most frequent first.
func countsText(counts map[string]int64) string {
	words := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return int(counts[b] - counts[a])
		}
		return strings.Compare(a, b)
	})
	for i, word := range words {
		words[i] = fmt.Sprintf("%d × %s", counts[word], word)
	}
	return strings.Join(words, ", ")
}
