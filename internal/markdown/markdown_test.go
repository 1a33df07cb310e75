package markdown

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEscapeLeavesNothingThatMeansSomething(t *testing.T) {
	require.Equal(t, "&lt;script&gt; \\[a\\](b) \\| \\`c\\` \\*d\\* n\\_e \\\\ &amp;amp; two lines &#64;ann",
		Escape("<script> [a](b) | `c` *d* n_e \\ &amp; two\nlines @ann"))
}

func TestTableHasTheHeadsColumns(t *testing.T) {
	require.Equal(t, "| a | b |\n| --- | --- |\n| 1 |  |\n| 2 | x\\|y |\n", Table([]string{"a", "b"}, [][]string{{"1"}, {"2", "x|y", "lost"}}))
}
