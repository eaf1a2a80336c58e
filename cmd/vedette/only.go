package main

import (
	"fmt"
	"io"

	"vedette.dev/vedette/internal/fault"
)

// onlyAutomation is the layer that can run alone.
const onlyAutomation = "automation"

// onlyUsage explains the flag with which a layer runs alone.
const onlyUsage = "run this `layer` alone, the one value is automation: no agents, no QPS, no fleet of its own"

// alone says that the platform runs the automation layer and nothing else.
func (c *platformConfig) alone() bool { return c.Only == onlyAutomation }

func (c *platformConfig) checkOnly() error {
	if c.Only == "" || c.alone() {
		return nil
	}
	return fault.Newf(fault.Invalid, "--only %s: the one layer that runs alone is automation; leave the option out for the whole platform.", quote(c.Only))
}

// describeAlone says what to try on a platform with only the automation layer.
func describeAlone(out io.Writer) {
	fmt.Fprintf(out, `  vedette automation integrations show qualys-cloud-agent
  vedette automation connections create qualys --platform "Qualys US Platform 2" --account YOU
  vedette automation run qualys search-cloud-agents
`)
}
