package library_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/fault"
)

var noon = time.Date(2031, 4, 1, 12, 0, 0, 0, time.UTC)

// shelf keeps playbooks in memory, by the contract of library.Shelf.
type shelf struct {
	playbooks []library.Playbook
	versions  map[int64][]library.Version
}

func (s *shelf) Playbooks(_ context.Context, siteIDs []int64) ([]library.Playbook, error) {
	return slices.DeleteFunc(slices.Clone(s.playbooks), func(p library.Playbook) bool { return siteIDs != nil && !slices.Contains(siteIDs, p.SiteID) }), nil
}

func (s *shelf) at(id int64) int {
	return slices.IndexFunc(s.playbooks, func(p library.Playbook) bool { return p.ID == id })
}

func (s *shelf) Playbook(_ context.Context, id int64) (library.Playbook, error) {
	if s.at(id) < 0 {
		return library.Playbook{}, library.NoPlaybook(id)
	}
	return s.playbooks[s.at(id)], nil
}

func (s *shelf) CreatePlaybook(_ context.Context, p library.Playbook, v library.Version) (library.Playbook, error) {
	p.ID, p.Latest = int64(len(s.versions)+1), 1
	v.ID, v.PlaybookID, v.Number, v.SiteID = 100*p.ID+1, p.ID, 1, p.SiteID
	s.playbooks, s.versions[p.ID] = append(s.playbooks, p), []library.Version{v}
	return p, nil
}

func (s *shelf) AddVersion(_ context.Context, p library.Playbook, base int64, v library.Version) (library.Playbook, error) {
	kept := &s.playbooks[s.at(p.ID)]
	if base != 0 && base != kept.Latest {
		return library.Playbook{}, fault.Newf(fault.Conflict, "There is version %d.", kept.Latest)
	}
	kept.Name, kept.Description = p.Name, p.Description
	kept.Latest++
	v.ID, v.PlaybookID, v.Number, v.SiteID = 100*p.ID+kept.Latest, p.ID, kept.Latest, kept.SiteID
	s.versions[p.ID] = append(s.versions[p.ID], v)
	return *kept, nil
}

func (s *shelf) Version(ctx context.Context, id, number int64) (library.Version, error) {
	p, err := s.Playbook(ctx, id)
	if err != nil {
		return library.Version{}, err
	}
	if number == 0 {
		number = p.Latest
	}
	if number > p.Latest {
		return library.Version{}, library.NoVersion(p, number)
	}
	v := s.versions[id][number-1]
	v.Playbook = p.Name
	return v, nil
}

func (s *shelf) Versions(_ context.Context, id int64) ([]library.Version, error) {
	newest := slices.Clone(s.versions[id])
	slices.Reverse(newest)
	return newest, nil
}

func (s *shelf) LiveVersions(ctx context.Context, siteID int64) ([]library.Version, error) {
	var live []library.Version
	for _, p := range s.playbooks {
		if p.SiteID == siteID && p.Live != 0 {
			v, err := s.Version(ctx, p.ID, p.Live)
			if err != nil {
				return nil, err
			}
			live = append(live, v)
		}
	}
	return live, nil
}

func (s *shelf) Texts(_ context.Context, ids []int64) (map[int64]string, error) {
	texts := map[int64]string{}
	for _, versions := range s.versions {
		for _, v := range versions {
			if slices.Contains(ids, v.ID) {
				texts[v.ID] = v.Source
			}
		}
	}
	return texts, nil
}

func (s *shelf) Publish(_ context.Context, p library.Playbook) error {
	s.playbooks[s.at(p.ID)] = p
	return nil
}

func (s *shelf) DeletePlaybook(_ context.Context, id int64) error {
	s.playbooks = slices.Delete(s.playbooks, s.at(id), s.at(id)+1)
	return nil
}

// siteStore is the storage of sites; its name keeps the methods of sites apart.
type siteStore = connection.Sites

// sites has SOC (1), whose members are ann and pat, and NOC (2) with sam.
type sites struct{ siteStore }

func (sites) Sites(context.Context) ([]connection.Site, error) {
	return []connection.Site{{ID: 1, Name: "SOC"}, {ID: 2, Name: "NOC"}}, nil
}

func (sites) SitesOf(_ context.Context, userID int64) ([]connection.Site, error) {
	switch userID {
	case ann.User.ID, pat.User.ID:
		return []connection.Site{{ID: 1, Name: "SOC"}}, nil
	case sam.User.ID:
		return []connection.Site{{ID: 2, Name: "NOC"}}, nil
	}
	return nil, nil
}

func user(id int64, name string, permissions ...access.Permission) access.Principal {
	return access.NewPrincipal(access.User{ID: id, Username: name, Roles: []access.Role{{Permissions: permissions}}})
}

var (
	admin = access.NewPrincipal(access.User{ID: 1, Username: "admin", Roles: []access.Role{{Manager: true}}})
	ann   = user(2, "ann", access.EditPlaybook, access.RunPlaybook)
	pat   = user(3, "pat", access.EditPlaybook)
	sam   = user(4, "sam", access.EditPlaybook, access.RunPlaybook)
	bob   = user(5, "bob", access.EditPlaybook, access.RunPlaybook)
)

func newLibrary() *library.Library {
	kept := &shelf{versions: map[int64][]library.Version{}}
	return &library.Library{
		Shelf: kept, Programs: &library.Programs{Shelf: kept}, Sites: &connection.Directory{Sites: sites{}}, Now: func() time.Time { return noon },
	}
}

// text is the text of a playbook that mails somebody, with more below its steps.
func text(name, more string) string {
	return "kind: Playbook\nname: " + name + "\nsteps:\n  - {id: tell, uses: core/email, with: {to: [a@example.test], subject: Hello}}\n" + more
}

// called is a playbook with one input, and caller one that calls it.
func called(name, input string) string {
	return "kind: Playbook\nname: " + name + "\ninputs: {" + input + "}\nsteps:\n  - {id: tell, uses: core/email, with: {to: [a@example.test], subject: Hello}}\n"
}

func caller(name, of string) string {
	return text(name, "  - {id: next, uses: playbook/"+of+", with: {days: 3}}\n")
}

// must saves a playbook as ann and publishes it.
func must(t *testing.T, l *library.Library, source string) library.Playbook {
	t.Helper()
	pb, err := l.Create(t.Context(), ann, 0, source)
	if err == nil {
		pb, err = l.Publish(t.Context(), ann, pb.ID, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pb
}

// says checks the code of an error and a part of its text.
func says(t *testing.T, err error, code fault.Code, part string) {
	t.Helper()
	if !fault.Is(err, code) || !strings.Contains(err.Error(), part) {
		t.Errorf("error %v, want %s and %q", err, code, part)
	}
}

func TestAPlaybookHasDraftsOfWhichOneIsLive(t *testing.T) {
	t.Parallel()
	l, ctx := newLibrary(), t.Context()
	pb, err := l.Create(ctx, ann, 0, text("greet", ""))
	if err != nil || pb.Name != "greet" || pb.SiteID != 1 || pb.Latest != 1 || pb.Live != 0 {
		t.Fatalf("made is %+v, error %v", pb, err)
	}
	if pb, err = l.Publish(ctx, ann, pb.ID, 0); err != nil || pb.Live != 1 || pb.Publisher != "ann" || pb.PublisherID != ann.User.ID {
		t.Fatalf("published is %+v, error %v", pb, err)
	}
	pb, saved, err := l.Save(ctx, pat, pb.ID, 1, text("greet", "# more\n"))
	if err != nil || !saved || pb.Latest != 2 || pb.Live != 1 {
		t.Fatalf("saved is %+v, error %v", pb, err)
	}
	if pb, saved, err = l.Save(ctx, pat, pb.ID, 2, text("greet", "# more\n")); err != nil || saved || pb.Latest != 2 {
		t.Errorf("the same text makes %+v, error %v", pb, err)
	}
	_, _, err = l.Save(ctx, ann, pb.ID, 1, text("greet", "# mine\n"))
	says(t, err, fault.Conflict, "version 2")
	versions, err := l.Versions(ctx, ann, pb.ID)
	if err != nil || len(versions) != 2 || versions[0].Author != "pat" || versions[1].Author != "ann" {
		t.Errorf("versions %+v, error %v", versions, err)
	}
	if pb, err = l.Publish(ctx, admin, pb.ID, 2); err != nil || pb.Live != 2 || pb.Publisher != "admin" {
		t.Errorf("published is %+v, error %v", pb, err)
	}
	_, err = l.Publish(ctx, ann, pb.ID, 3)
	says(t, err, fault.NotFound, "no version 3")
	if pb, err = l.Withdraw(ctx, ann, pb.ID); err != nil || pb.Live != 0 || pb.PublisherID != 0 || pb.Publisher != "" {
		t.Errorf("withdrawn is %+v, error %v", pb, err)
	}
	_, err = l.Withdraw(ctx, ann, pb.ID)
	says(t, err, fault.Conflict, "no live version")
	if err := l.Delete(ctx, ann, pb.ID); err != nil {
		t.Error(err)
	}
	_, err = l.Get(ctx, ann, pb.ID)
	says(t, err, fault.NotFound, fmt.Sprintf("no playbook %d", pb.ID))
}

func TestAllThatIsWrongWithATextIsInTheRefusal(t *testing.T) {
	t.Parallel()
	l, ctx := newLibrary(), t.Context()
	wrong := text("greet", "  - {id: a, uses: core/emial}\n  - {id: b, uses: playbook/none}\n")
	_, err := l.Create(ctx, ann, 0, wrong)
	says(t, err, fault.Invalid, "5:19: steps[1].uses:")
	problems, ok := errors.AsType[playbook.Problems](err)
	if !ok || len(problems) != 2 || problems[1].Line != 6 {
		t.Errorf("problems %+v", problems)
	}
	program, found, err := l.Check(ctx, ann, 0, wrong)
	if err != nil || program != nil || len(found) != 2 {
		t.Errorf("a check says %+v, error %v", found, err)
	}
	pb, err := l.Create(ctx, ann, 1, text("greet", ""))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = l.Save(ctx, ann, pb.ID, 0, wrong)
	says(t, err, fault.Invalid, "(and 1 more)")
	if after, err := l.Get(ctx, ann, pb.ID); err != nil || after.Latest != 1 {
		t.Errorf("kept is %+v, error %v", after, err)
	}
}

func TestWhoIsNotOfASiteKnowsNothingOfItsPlaybooks(t *testing.T) {
	t.Parallel()
	l, ctx := newLibrary(), t.Context()
	pb := must(t, l, text("greet", ""))
	for _, p := range []access.Principal{sam, bob} {
		_, got := l.Get(ctx, p, pb.ID)
		_, version := l.Version(ctx, p, pb.ID, 0)
		_, versions := l.Versions(ctx, p, pb.ID)
		_, _, saved := l.Save(ctx, p, pb.ID, 0, text("greet", "# x\n"))
		_, published := l.Publish(ctx, p, pb.ID, 0)
		_, withdrawn := l.Withdraw(ctx, p, pb.ID)
		for i, err := range []error{got, version, versions, saved, published, withdrawn, l.Delete(ctx, p, pb.ID)} {
			if !fault.Is(err, fault.NotFound) || !access.IsHidden(err) {
				t.Errorf("%s, call %d: error %v, want a hidden one", p.User.Username, i, err)
			}
		}
		if list, err := l.List(ctx, p); err != nil || len(list) != 0 {
			t.Errorf("%s sees %+v, error %v", p.User.Username, list, err)
		}
	}
	if list, err := l.List(ctx, admin); err != nil || len(list) != 1 {
		t.Errorf("a manager sees %+v, error %v", list, err)
	}
	_, err := l.Create(ctx, sam, 1, text("mine", ""))
	says(t, err, fault.Invalid, "site: there is no site 1.")
	_, err = l.Create(ctx, bob, 0, text("mine", ""))
	says(t, err, fault.Invalid, "site: the value is missing.")
	_, err = l.Create(ctx, admin, 0, text("mine", ""))
	says(t, err, fault.Invalid, "site: the value is missing.")
}

func TestWhoPublishesMustHaveTheRightToRun(t *testing.T) {
	t.Parallel()
	l, ctx := newLibrary(), t.Context()
	pb, err := l.Create(ctx, pat, 0, text("greet", ""))
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Publish(ctx, pat, pb.ID, 0)
	says(t, err, fault.Forbidden, "Run Playbook")
	if after, err := l.Get(ctx, pat, pb.ID); err != nil || after.Live != 0 {
		t.Errorf("kept is %+v, error %v", after, err)
	}
}

func TestALivePlaybookThatOthersCallIsNotTakenAway(t *testing.T) {
	t.Parallel()
	l, ctx := newLibrary(), t.Context()
	target := must(t, l, called("target", "days: {type: integer}"))
	other := must(t, l, caller("daily", "target"))
	_, _, err := l.Save(ctx, ann, target.ID, 0, called("goal", "days: {type: integer}"))
	says(t, err, fault.Conflict, "cannot be renamed: it is live, and called by daily.")
	_, err = l.Withdraw(ctx, ann, target.ID)
	says(t, err, fault.Conflict, "cannot be withdrawn: it is live, and called by daily.")
	says(t, l.Delete(ctx, ann, target.ID), fault.Conflict, "cannot be deleted: it is live, and called by daily.")
	if _, _, err := l.Save(ctx, ann, target.ID, 0, called("target", "days: {type: number}")); err != nil {
		t.Errorf("a version of the same name: %v", err)
	}
	if _, err := l.Publish(ctx, ann, target.ID, 0); err != nil {
		t.Errorf("one that the caller fits: %v", err)
	}
	if _, err := l.Withdraw(ctx, ann, other.ID); err != nil {
		t.Fatal(err)
	}
	if target, _, err = l.Save(ctx, ann, target.ID, 0, called("goal", "days: {type: integer}")); err != nil || target.Name != "goal" {
		t.Errorf("without callers it is %+v, error %v", target, err)
	}
	_, err = l.Publish(ctx, ann, target.ID, 1)
	says(t, err, fault.Conflict, "was called 'target'")
	_, err = l.Publish(ctx, ann, other.ID, 0)
	says(t, err, fault.Invalid, "there is no live playbook")
}

func TestACallerThatEscapesTheNameCountsToo(t *testing.T) {
	t.Parallel()
	l, ctx := newLibrary(), t.Context()
	target := must(t, l, called("target", "days: {type: integer}"))
	must(t, l, text("daily", `  - {id: next, uses: "playbook\u002Ftar\x67et", with: {days: 3}}`+"\n"))
	_, err := l.Withdraw(ctx, ann, target.ID)
	says(t, err, fault.Conflict, "cannot be withdrawn: it is live, and called by daily.")
}

// reads is a shelf that counts the texts that are read by ids.
type reads struct {
	*shelf
	texts int
}

func (r *reads) Texts(ctx context.Context, ids []int64) (map[int64]string, error) {
	r.texts += len(ids)
	return r.shelf.Texts(ctx, ids)
}

func TestTextsAreReadOnlyForWhatIsNotCompiledYet(t *testing.T) {
	t.Parallel()
	l, ctx := newLibrary(), t.Context()
	kept := &reads{shelf: l.Shelf.(*shelf)}
	target, daily := must(t, l, called("target", "days: {type: integer}")), must(t, l, caller("daily", "target"))
	head := func(p library.Playbook) library.Version {
		return library.Version{ID: 100*p.ID + 1, PlaybookID: p.ID, Playbook: p.Name, SiteID: 1, Number: 1}
	}
	programs := &library.Programs{Shelf: kept}
	for range 3 {
		program, err := programs.Pinned(ctx, head(daily), []library.Version{head(target)})
		if err != nil || program.Definition.Name != "daily" {
			t.Fatalf("it is %+v, error %v", program, err)
		}
	}
	if kept.texts != 2 {
		t.Errorf("%d texts are read, want those of two versions once", kept.texts)
	}
	gone := head(target)
	gone.ID = 999
	_, err := programs.Pinned(ctx, head(daily), []library.Version{gone})
	says(t, err, fault.NotFound, "The playbook 'target' was deleted.")
}

func TestAVersionThatWouldBreakThoseThatCallItIsNotPublished(t *testing.T) {
	t.Parallel()
	l, ctx := newLibrary(), t.Context()
	target := must(t, l, called("target", "days: {type: integer}"))
	must(t, l, caller("daily", "target"))
	for _, input := range []string{"hours: {type: integer}", "days: {type: text}", "days: {type: integer}, mailTo: {required: true}"} {
		if _, _, err := l.Save(ctx, ann, target.ID, 0, called("target", input)); err != nil {
			t.Fatal(err)
		}
		_, err := l.Publish(ctx, ann, target.ID, 0)
		says(t, err, fault.Conflict, "Playbook 'daily', which calls this one, would not fit version")
	}
	// One that calls its caller makes a circle.
	if _, _, err := l.Save(ctx, ann, target.ID, 0, caller("target", "daily")); err == nil {
		t.Error("playbooks that call each other are saved")
	}
	if _, _, err := l.Save(ctx, ann, target.ID, 0, called("target", "days: {type: integer}, mailTo: {}")); err != nil {
		t.Fatal(err)
	}
	if after, err := l.Publish(ctx, ann, target.ID, 0); err != nil || after.Live != after.Latest {
		t.Errorf("one with another input is %+v, error %v", after, err)
	}
}
