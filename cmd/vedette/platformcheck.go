package main

import (
	"net"
	"os"
	"strconv"

	"vedette.dev/vedette/internal/fault"
)

// check refuses what no platform can be started with, before anything is opened
// or made for it.
func (c *platformConfig) check() error {
	if err := c.checkData(); err != nil {
		return err
	}
	if err := c.checkOnly(); err != nil {
		return err
	}
	if err := checkAddress("listen", c.Listen); err != nil {
		return err
	}
	if c.Plain == "" {
		return nil
	}
	return checkAddress("plain", c.Plain)
}

// checkData refuses a data folder without a name: it would be the current folder.
func (c *platformConfig) checkData() error {
	if c.Data == "" {
		return fault.New(fault.Invalid, "--data is empty: name a folder.", "")
	}
	return nil
}

// checkAddress refuses what is not HOST:PORT. An empty address in particular would
// be every interface of the machine and any port. A host may be left out for all
// interfaces, and port 0 stands for any that is free.
func checkAddress(option, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fault.Newf(fault.Invalid, "--%s %s: use HOST:PORT, such as 127.0.0.1:8443, with a PORT from 0 to 65535.", option, quote(address))
	}
	return nil
}

// checkAgentRoot refuses a file system that is not there, in which an agent would
// find no host.
func checkAgentRoot(root string) error {
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return fault.New(fault.Invalid, "--agent-root "+quote(root)+" is not a folder.",
			"Name the folder where the file system of the agent's host is mounted, or leave the option out for this host.")
	}
	return nil
}
