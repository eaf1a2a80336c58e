package access

import "slices"

// Permission is one thing a role allows.
type Permission string

// The permissions, by the groups in which a role lists them (Qualys Cloud Agent
// API, user permissions; the SOAR integration's permission requirements).
const (
	// APIAccess and UIAccess are a role's types of access: to the API, without
	// which no other permission counts there, and to the console.
	APIAccess Permission = "API_ACCESS"
	UIAccess  Permission = "UI_ACCESS"

	CAAPIAccess Permission = "CA_API_ACCESS" // to search agents and to test a connection
	CAUIAccess  Permission = "CA_UI_ACCESS"

	ViewActivationKey   Permission = "VIEW_ACTIVATION_KEY"
	CreateActivationKey Permission = "CREATE_ACTIVATION_KEY"
	EditActivationKey   Permission = "EDIT_ACTIVATION_KEY"
	DeleteActivationKey Permission = "DELETE_ACTIVATION_KEY"
	EnableActivationKey Permission = "ENABLE_ACTIVATION_KEY" // and disable
	ChangeActivationKey Permission = "CHANGE_ACTIVATION_KEY" // of agents

	ActivateAgent      Permission = "ACTIVATE_AGENT"
	DeactivateAgent    Permission = "DEACTIVATE_AGENT"
	UninstallAgent     Permission = "UNINSTALL_AGENT"
	LaunchOnDemandScan Permission = "LAUNCH_ON_DEMAND_SCAN"

	ViewConfigurationProfile   Permission = "VIEW_CONFIGURATION_PROFILE"
	CreateConfigurationProfile Permission = "CREATE_CONFIGURATION_PROFILE"
	EditConfigurationProfile   Permission = "EDIT_CONFIGURATION_PROFILE"
	DeleteConfigurationProfile Permission = "DELETE_CONFIGURATION_PROFILE"

	ReadAsset   Permission = "READ_ASSET"
	UpdateAsset Permission = "UPDATE_ASSET"

	CreateUserTag         Permission = "CREATE_USER_TAG"
	EditUserTag           Permission = "EDIT_USER_TAG"
	DeleteUserTag         Permission = "DELETE_USER_TAG"
	ModifyDynamicTagRules Permission = "MODIFY_DYNAMIC_TAG_RULES"

	// Those of the automation layer are our own: a role, a site and the list of the
	// object together decide (package connection).
	ViewConnection   Permission = "VIEW_CONNECTION"
	CreateConnection Permission = "CREATE_CONNECTION"
	EditConnection   Permission = "EDIT_CONNECTION"
	DeleteConnection Permission = "DELETE_CONNECTION"
	RunCommand       Permission = "RUN_COMMAND"
	ViewSchedule     Permission = "VIEW_SCHEDULE"
	EditSchedule     Permission = "EDIT_SCHEDULE" // create, change and delete
	ViewPlaybook     Permission = "VIEW_PLAYBOOK" // with its runs, and to answer what they ask
	EditPlaybook     Permission = "EDIT_PLAYBOOK" // save, publish and delete
	RunPlaybook      Permission = "RUN_PLAYBOOK"  // start, pause and cancel runs
)

// Module is a part of the platform that a role is made for.
type Module struct {
	Key    string // such as "CA"
	Label  string // such as "Cloud Agent"
	Groups []Group
}

// Group is permissions that are listed under one heading.
type Group struct {
	Label       string
	Permissions []Labelled
}

// Labelled is a permission with the name people know it by.
type Labelled struct {
	Permission Permission
	Label      string
}

// Modules returns the catalogue of permissions, in the order in which it is
// shown.
func Modules() []Module {
	return []Module{
		{Key: "CA", Label: "Cloud Agent", Groups: []Group{
			{"CA Module Access Permissions", []Labelled{
				{CAAPIAccess, "CA API Access Permissions for subusers"},
				{CAUIAccess, "CA UI Access"},
			}},
			{"CA Activation Key Permissions", []Labelled{
				{ViewActivationKey, "View Activation Key"},
				{CreateActivationKey, "Create Activation Key"},
				{EditActivationKey, "Edit Activation Key"},
				{DeleteActivationKey, "Delete Activation Key"},
				{EnableActivationKey, "Enable/Disable Activation Key"},
				{ChangeActivationKey, "Change Activation Key"},
			}},
			{"CA Agent Permissions", []Labelled{
				{ActivateAgent, "Activate Agent"},
				{DeactivateAgent, "Deactivate Agent"},
				{UninstallAgent, "Uninstall Agent"},
				{LaunchOnDemandScan, "Launch On-Demand Scan"},
			}},
			{"CA Configuration Profile Permissions", []Labelled{
				{ViewConfigurationProfile, "View Configuration Profile"},
				{CreateConfigurationProfile, "Create Configuration Profile"},
				{EditConfigurationProfile, "Edit Configuration Profile"},
				{DeleteConfigurationProfile, "Delete Configuration Profile"},
			}},
		}},
		{Key: "AM", Label: "Asset Management", Groups: []Group{
			{"Asset Permissions", []Labelled{
				{ReadAsset, "Read Asset"},
				{UpdateAsset, "Update Asset"},
			}},
			{"Tag Permissions", []Labelled{
				{CreateUserTag, "Create User Tag"},
				{EditUserTag, "Edit User Tag"},
				{DeleteUserTag, "Delete User Tag"},
				{ModifyDynamicTagRules, "Modify Dynamic Tag Rules"},
			}},
		}},
		{Key: "AUTO", Label: "Automation", Groups: []Group{
			{"Connection Permissions", []Labelled{
				{ViewConnection, "View Connection"},
				{CreateConnection, "Create Connection"},
				{EditConnection, "Edit Connection"},
				{DeleteConnection, "Delete Connection"},
			}},
			{"Command Permissions", []Labelled{
				{RunCommand, "Run Command"},
			}},
			{"Schedule Permissions", []Labelled{
				{ViewSchedule, "View Schedule"},
				{EditSchedule, "Edit Schedule"},
			}},
			{"Playbook Permissions", []Labelled{
				{ViewPlaybook, "View Playbook"},
				{EditPlaybook, "Edit Playbook"},
				{RunPlaybook, "Run Playbook"},
			}},
		}},
	}
}

// Permissions returns every permission of the module.
func (m Module) Permissions() []Permission {
	var all []Permission
	for _, g := range m.Groups {
		for _, p := range g.Permissions {
			all = append(all, p.Permission)
		}
	}
	return all
}

// Label returns the name people know the permission by, the permission itself
// when the catalogue does not have it.
func (p Permission) Label() string {
	switch p {
	case APIAccess:
		return "API Access"
	case UIAccess:
		return "UI Access"
	}
	for _, m := range Modules() {
		for _, g := range m.Groups {
			for _, labelled := range g.Permissions {
				if labelled.Permission == p {
					return labelled.Label
				}
			}
		}
	}
	return string(p)
}

// Known reports whether the permission is in the catalogue or is a type of
// access.
func (p Permission) Known() bool {
	return p == APIAccess || p == UIAccess ||
		slices.ContainsFunc(Modules(), func(m Module) bool { return slices.Contains(m.Permissions(), p) })
}
