package main

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// swarmNames begins the name of every host of every swarm.
const swarmNames = "swarm-"

// swarmTarget is the platform a swarm runs against.
type swarmTarget struct {
	url                       string
	ca                        []byte
	activationKey, customerID string
	client                    *qpsclient.Client // nil without credentials
}

// swarmTarget finds the platform, and what agents need to join it.
func (a *app) swarmTarget(f *clientFlags, o swarmOptions) (swarmTarget, error) {
	s, err := a.settings(f)
	known := err == nil
	given := f.username != "" || f.passwordFile != "" || f.tokenFile != "" || f.connection != ""
	if !known && (s.url == "" || given) {
		return swarmTarget{}, err
	}
	t := swarmTarget{url: s.url}
	if err := allowed(s.url, o.against); err != nil {
		return t, err
	}
	if s.caFile != "" {
		if t.ca, err = os.ReadFile(s.caFile); err != nil {
			return t, usagef("read the certificates to trust: %w", err)
		}
	}
	if known {
		if t.client, _, err = a.client(f, 0); err != nil {
			return t, err
		}
	}
	env := a.platformHere(s.url)
	t.activationKey = cmp.Or(o.activationKey, a.getenv("VEDETTE_ACTIVATION_KEY"), env.activationKey)
	t.customerID = cmp.Or(o.customerID, a.getenv("VEDETTE_CUSTOMER_ID"), env.customerID)
	switch {
	case t.activationKey == "":
		return t, usagef("no activation key is given for %s: use --activation-key or VEDETTE_ACTIVATION_KEY; 'vedette keys create' makes one", s.url)
	case t.customerID == "":
		return t, usagef("no customer id is given for %s: use --customer-id or VEDETTE_CUSTOMER_ID; admin.env of the platform has it", s.url)
	case !isUUID(t.activationKey):
		return t, usagef("activation key %s: use a UUID, such as 'vedette keys list' shows; its number is not enough", quote(t.activationKey))
	case !isUUID(t.customerID):
		return t, usagef("customer id %s: use a UUID; admin.env of the platform has it", quote(t.customerID))
	}
	return t, nil
}

// isUUID reports whether text is a UUID in the one form that agents take.
func isUUID(text string) bool {
	return len(text) == len(uuid.Nil.String()) && uuid.Validate(text) == nil
}

// platformHere returns the admin.env of the data folder in this folder, as far as
// it is for the platform of a URL.
func (a *app) platformHere(url string) adminEnv {
	content, err := os.ReadFile(filepath.Join(defaultDataFolder, adminEnvFile))
	if err != nil {
		return adminEnv{}
	}
	if env := readAdminEnv(content); sameURL(env.url, url) {
		return env
	}
	return adminEnv{}
}

// allowed refuses a platform elsewhere that was not named twice: a variable that
// was left set must not send thousands of agents to it.
func allowed(platform, against string) error {
	if against != "" && !sameURL(platform, against) {
		return usagef("--against %s is not the platform that is used, %s", quote(against), platform)
	}
	u, err := url.Parse(platform)
	if err != nil || u.Hostname() == "" {
		return usagef("%s is not the URL of a platform", quote(platform))
	}
	if against != "" || u.Hostname() == "localhost" {
		return nil
	}
	if address, err := netip.ParseAddr(u.Hostname()); err == nil && address.Unmap().IsLoopback() {
		return nil
	}
	return usagef("%s is not on this machine: a swarm makes an asset there for each of its agents; add --against %s if you mean it", platform, platform)
}

var swarmPrefix = regexp.MustCompile("^" + swarmNames + "[0-9a-f]{6}-$")

func newSwarmClean(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "clean PREFIX", Short: "Uninstall the assets that a swarm left behind", Args: exactArgs("PREFIX"),
		Long: `Uninstalls the assets of one run of vedette swarm, whose host names all begin with
the prefix that the run printed. Their agents are no more, so that their orders
stay open in 'vedette agents uninstalls'.`,
		Example: "  vedette swarm clean swarm-1f9a3c-",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !swarmPrefix.MatchString(args[0]) {
				return usagef("PREFIX %s: use what the run printed, such as swarm-1f9a3c-", quote(args[0]))
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			removed, err := uninstallSwarm(cmd.Context(), client, args[0], &progress{out: a.stderr, started: time.Now()})
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stderr, "Uninstalled: %s.\n", counted(removed, "asset"))
			return nil
		},
	}
}

// uninstallSwarm uninstalls the assets of a run and returns how many there were.
// A platform finds names that contain the prefix; only those that begin with it
// are of the run. It takes them in pages: a platform bounds how many one action
// may address.
func uninstallSwarm(ctx context.Context, client *qpsclient.Client, prefix string, show *progress) (int64, error) {
	search := qpsclient.HostAssetSearch{
		Criteria: []qps.Criterion{{Field: "name", Operator: qps.OpContains, Value: prefix}},
		Fields:   []string{"id", "name"}, PageSize: qps.MaxLimitResults,
	}
	removed := int64(0)
	for page, err := range client.SearchHostAssets(ctx, search) {
		var affected qpsclient.Affected
		if err == nil {
			affected, err = uninstallNamed(ctx, client, page.Assets, prefix)
		}
		if err != nil {
			return removed, outcomeOf(automation.Failure("Uninstall Cloud Agents failed.", err))
		}
		removed += max(affected.Count, int64(len(affected.AssetIDs)))
		show.done("clean", "%s uninstalled", counted(removed, "asset"))
	}
	return removed, nil
}

// uninstallNamed uninstalls those assets, by their id, whose names begin with a
// prefix.
func uninstallNamed(ctx context.Context, client *qpsclient.Client, assets []*qps.HostAsset, prefix string) (qpsclient.Affected, error) {
	var ids []string
	for _, asset := range assets {
		if strings.HasPrefix(asset.Name, prefix) {
			ids = append(ids, strconv.FormatInt(asset.ID, 10))
		}
	}
	if len(ids) == 0 {
		return qpsclient.Affected{}, nil
	}
	these := qps.Criterion{Field: "id", Operator: qps.OpIn, Value: strings.Join(ids, ",")}
	return client.UninstallAgents(ctx, qpsclient.AgentSelection{Criteria: []qps.Criterion{these}})
}
