// Package metadata asks the metadata service of Amazon EC2 which instance this
// machine is (Instance Metadata Service, version 2). It is small, so that the
// resident agent can link it.
//
// No request leaves a machine whose firmware and hypervisor do not say that it is
// one of Amazon's, and none where the environment variable
// AWS_EC2_METADATA_DISABLED is true, as for Amazon's own tools. Requests go to the
// link-local address alone, never through a proxy and nowhere a redirect leads.
//
// Limits: where the service answers with a hop limit of 1, a container with a
// network of its own is not told.
package metadata
