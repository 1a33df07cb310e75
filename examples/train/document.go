package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/card"
	"github.com/modelregistry-go/modelregistry/compare"
	"github.com/modelregistry-go/modelregistry/lineage"
)

// document says of the version in Production since when it is there, writes its model card, ranks it among all versions,
// and draws where it came from.
func (p *pipeline) document(ctx context.Context) error {
	v, err := p.reg.Resolve(ctx, production)
	if err != nil {
		return err
	}
	// That it is so already changes nothing, and leaves no event.
	v, err = p.reg.UpdateVersion(ctx, modelName, v.Number, modelregistry.VersionPatch{
		SetTags: map[string]string{"deployed_date": v.StageSince.Format(time.DateOnly)},
	})
	if err != nil {
		return err
	}

	c, err := card.New(ctx, p.reg, v, nil)
	if err != nil {
		return err
	}
	page, err := c.HTML()
	if err != nil {
		return err
	}
	base := filepath.Join(p.dir, "cards", modelName+"-"+strconv.Itoa(v.Number))
	if err := os.MkdirAll(filepath.Dir(base), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(base+".html", page, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(base+".md", []byte(c.Markdown()), 0o644); err != nil {
		return err
	}
	p.out.printf("model card: %s.html\n\n", base)

	board, err := compare.Leaderboard(ctx, p.reg, modelName, "accuracy", 10, nil)
	if err != nil {
		return err
	}
	p.out.printf("%s\n", board)

	graph, err := p.reg.Lineage(ctx, v.Node(), nil)
	if err != nil {
		return err
	}
	p.out.printf("%s\n```mermaid\n%s```\n", lineage.Text(graph), lineage.Mermaid(graph))
	return nil
}
