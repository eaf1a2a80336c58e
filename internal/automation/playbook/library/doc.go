// Package library keeps playbooks. A [Playbook] has numbered [Version]s, which never
// change: to change a playbook is to save another version. One of them may be live;
// it is the one that people, triggers and other playbooks start. The newest one is
// the draft, which its authors try. [Library] is where playbooks are saved,
// published and found, by the rights of who asks; [Programs] compiles versions for
// whoever runs them.
//
// # Rights
//
// A playbook belongs to a site, whose users see it; a name is unique in its site.
// A run has the rights of who started it. One that a trigger started has those of
// the publisher, who chose what is live.
package library
