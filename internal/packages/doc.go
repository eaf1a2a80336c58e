// Package packages knows the agent packages in a folder. Folder is the main type.
//
// A package is offered when it is a regular file with a name such as
//
//	vedette-agent-2.0.0-LINUX_UBUNTU-X_64.deb
//
// of product, version, platform, architecture and extension. Platform and
// architecture are in the words of the API (qps.BinaryPlatforms,
// qps.BinaryArchitectures). Whatever else is in the folder is passed over:
// folders, links, files that are still being copied under another name. Of
// several versions for one platform and architecture, the newest is offered.
//
// An archive for systems without a package format has a name such as
//
//	vedette-agent-2.0.0-linux-amd64.tar.gz
//
// It is offered to hosts that are to be installed and not through the API, which
// has no word for it.
//
// The folder is read at every call, so that a package is offered from the moment
// it is there. Hashes are kept for as long as a file keeps its name, size and
// time of modification.
//
// Limits: MaxFiles entries in the folder, and MaxPackageBytes for one package; a
// larger file is passed over. Files are read one at a time to hash them.
package packages
