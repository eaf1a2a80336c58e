package plan

import (
	"context"

	"vedette.dev/vedette/qps"
)

// Reader is what making a plan needs of a platform; *qpsclient.Client has it.
type Reader interface {
	Tags(ctx context.Context, criteria ...qps.Criterion) ([]*qps.Tag, error)
	GetTag(ctx context.Context, id int64) (*qps.Tag, error)
	ActivationKeys(ctx context.Context, criteria ...qps.Criterion) ([]*qps.AgentActKey, error)
	AgentConfigs(ctx context.Context, criteria ...qps.Criterion) ([]*qps.AgentConfig, error)
	AgentConfigPriorities(ctx context.Context) (map[int64]int64, error)
	CountHostAssets(ctx context.Context, criteria []qps.Criterion) (int64, error)
	ConnectorReader
	LayerReader
}

// Writer is what making the changes of a plan needs of a platform;
// *qpsclient.Client has it.
type Writer interface {
	CreateTag(ctx context.Context, change qps.TagChange) (*qps.Tag, error)
	UpdateTag(ctx context.Context, id int64, change qps.TagChange) error
	DeleteTags(ctx context.Context, ids ...int64) error
	KeyWriter
	ProfileWriter
	ConnectorWriter
	LayerWriter
}

// KeyWriter changes activation keys. Reading them is part of it: see
// applier.createKey.
type KeyWriter interface {
	ActivationKeys(ctx context.Context, criteria ...qps.Criterion) ([]*qps.AgentActKey, error)
	CreateActivationKey(ctx context.Context, change qps.AgentActKeyChange) (*qps.AgentActKey, error)
	UpdateActivationKey(ctx context.Context, id int64, change qps.AgentActKeyChange) error
	DeleteActivationKey(ctx context.Context, id int64) error
}

// ProfileWriter changes configuration profiles.
type ProfileWriter interface {
	CreateAgentConfig(ctx context.Context, change qps.AgentConfigChange) (*qps.AgentConfig, error)
	UpdateAgentConfig(ctx context.Context, id int64, change qps.AgentConfigChange) error
	DeleteAgentConfig(ctx context.Context, id int64) error
}

// state is what a platform has, as far as a plan looks at it.
type state struct {
	tags       *forest
	keys       []*qps.AgentActKey
	profiles   []*qps.AgentConfig
	priorities map[int64]int64 // by id of the profile; empty where the platform gives none
	connectors []*qps.AwsAssetDataConnector
	records    []*qps.AwsAuthRecord
	// noConnectors says that the platform or the account has no connectors.
	noConnectors bool
}

// read reads the tags, to which everything refers, and the objects of the kinds.
// Connectors may be optional: many an account may not see any.
func read(ctx context.Context, r Reader, kinds map[Kind]bool, optional bool) (*state, error) {
	tags, err := r.Tags(ctx)
	if err != nil {
		return nil, err
	}
	s := &state{tags: newForest(tags)}
	if kinds[KindKey] {
		if s.keys, err = r.ActivationKeys(ctx); err != nil {
			return nil, err
		}
	}
	if kinds[KindProfile] {
		if s.profiles, err = r.AgentConfigs(ctx); err != nil {
			return nil, err
		}
		if s.priorities, err = r.AgentConfigPriorities(ctx); err != nil {
			return nil, err
		}
	}
	if kinds[KindConnector] {
		if err := s.readConnectors(ctx, r); err != nil {
			if !optional || !unavailable(err) {
				return nil, err
			}
			s.noConnectors = true
		}
	}
	return s, nil
}
