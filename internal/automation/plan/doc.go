// Package plan keeps tags, activation keys and configuration profiles as files.
//
// Decode reads documents that say what shall be; Make compares them with a
// platform and returns a Plan, the changes that are missing; Plan.Apply makes
// them. Describe goes the other way, from what a platform has to documents.
//
// Three rules make a plan safe to apply twice and beside other people's work:
// what a document does not mention stays as it is; nothing is deleted unless
// Options.Prune asks for it; and an object is known by what people call it, never
// by an id, so that the same files serve several platforms. A tag is known by its
// name and its parent, an activation key by its title, a configuration profile by
// its name.
//
// A platform is known by its public API alone (Reader, Writer), so a Qualys
// subscription and a Vedette platform are treated alike. What a platform does not
// return, such as the priorities of profiles, is not compared, and the plan says
// so.
//
// The types Tag, ActivationKey and ConfigurationProfile are also what the flags
// of the command line fill; their Change methods turn them into requests.
//
// Nothing here is safe for concurrent use.
package plan
