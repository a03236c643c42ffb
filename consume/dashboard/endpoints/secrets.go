package endpoints

import (
	"net/http"
	"strings"

	"jethook/consume/admin/endpoints"
	"jethook/consume/dashboard/frame"
	"jethook/consume/endpoint"
)

// secretsPage shows an endpoint's secrets, once.
type secretsPage struct {
	Endpoint *endpoint.Endpoint
	Rotated  bool
	Items    []endpoints.RevealedSecret
	About    string // what the newest one signs with
	Warnings []string
}

func (s *pages) revealSecrets(w http.ResponseWriter, r *http.Request) error {
	e, _, err := s.api.Endpoints.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	secrets, err := s.api.Endpoints.Reveal(r.Context(), e.ID)
	if err != nil {
		return err
	}
	return s.Render(w, r, "secrets", frame.View{Title: "Secret of " + e.Name, Nav: "/endpoints", Data: &secretsPage{Endpoint: &e, Items: secrets.Items}})
}

// rotateEndpoint gives an endpoint a new secret and shows it. The form's key makes a page that is loaded again show the same one.
func (s *pages) rotateEndpoint(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	how := endpoints.Rotation{
		Secret: strings.TrimSpace(r.PostForm.Get("secret")), SecretType: r.PostForm.Get("secret_type"), Overlap: strings.TrimSpace(r.PostForm.Get("overlap")),
	}
	made, err := s.api.Endpoints.Rotate(r.Context(), id, how, r.PostForm.Get("key"))
	if err != nil {
		return err
	}
	secrets, err := s.api.Endpoints.Reveal(r.Context(), id)
	if err != nil {
		return err
	}
	return s.Render(w, r, "secrets", frame.View{Title: "New secret of " + made.Name, Nav: "/endpoints", Data: &secretsPage{
		Endpoint: &made.Endpoint, Rotated: true, Items: secrets.Items, About: made.SignsWith, Warnings: made.Warnings,
	}})
}
