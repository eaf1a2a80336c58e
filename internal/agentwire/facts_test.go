package agentwire

import (
	"strings"
	"testing"
)

func TestAnInstanceIsWrittenAsAmazonWritesIt(t *testing.T) {
	t.Parallel()
	good := Cloud{Provider: CloudAWS, AccountID: "012345678901", Region: "us-gov-west-1", InstanceID: "i-0123456789abcdef0"}
	if err := good.Check(); err != nil {
		t.Errorf("refused: %v", err)
	}
	for says, spoil := range map[string]func(c *Cloud){
		"provider":    func(c *Cloud) { c.Provider = "" },
		"account id":  func(c *Cloud) { c.AccountID = "12345" },
		"instance id": func(c *Cloud) { c.InstanceID = "i-0123\n" },
		"region":      func(c *Cloud) { c.Region = "Mars" },
	} {
		c := good
		spoil(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: error is %v, want one about the %s", c, err, says)
		}
	}
}
