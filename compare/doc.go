// Package compare sets versions side by side, and ranks all versions of a model by a metric.
//
//	c, err := compare.Numbers(ctx, reg, "fraud", nil, 3, 5) // what is different about 5, seen from 3
//	fmt.Print(c)                                            // as an aligned table; Markdown and JSON too
//
//	b, err := compare.Leaderboard(ctx, reg, "fraud", "accuracy", 10)
//	fmt.Print(b)
//
// The first version is the one that the others are compared with. Whether a change of a metric is for the better follows
// from its Direction: see DirectionOf for how that is known.
//
// # Cost
//
// The versions of one model are one search. Per version come one read of its facts and a walk of one level of lineage,
// and per set of files one read of their list; those never change. A registry that cannot do one of these (such as a
// client of MLflow's, which has no lineage) is compared by the rest.
package compare
