package access

import "time"

// ManagerRole is the name of the role that may do everything. It comes with the
// platform and can neither be changed nor deleted.
const ManagerRole = "Manager"

// ManagerRoleID is the id of the role named ManagerRole.
const ManagerRoleID = 1

// Role is a set of permissions under a name.
type Role struct {
	ID          int64
	Name        string
	Description string
	// Manager is only true of the role named ManagerRole: it may do everything, on
	// every asset, and alone manages users and roles. It lists no permissions.
	Manager     bool
	Permissions []Permission // sorted, each once; the types of access among them
	Created     time.Time
}
