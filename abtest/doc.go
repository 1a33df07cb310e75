// Package abtest tests versions of models against each other: it assigns users to variants, counts what the variants lead
// to, and says which is better when that is known and not before.
//
//	test, err := abtest.New(abtest.Config{Name: "fraud-5", Variants: []abtest.Variant{
//		{Name: "A", URI: "models:/fraud/4", Weight: 0.9}, // the first is the control
//		{Name: "B", URI: "models:/fraud/5", Weight: 0.1},
//	}})
//	rec, err := abtest.NewRecorder(test, registry, nil)
//	defer rec.Close(ctx)
//
//	v := test.Assign(userID)              // for each request; v.URI is what serves it
//	err = rec.Record(v.Name, correct)     // when the truth is known
//	results, err := rec.Results(ctx)      // at any time
//	fmt.Println(results, results.Winner)
//
// # Assignment
//
// [Test.Assign] is a function of the config and the user's ID alone, in whole numbers: equal in every process, on every
// machine, for good. [Test.Ramp] changes the weights and moves no more users than it must, which is half the sum of
// the changes, each from a variant that shrinks to one that grows.
//
// # Peeking
//
// Results may be looked at as often as one likes, and the test ended when they please. A fixed-sample test, such as
// Student's, names false winners far more often than it says when it is looked at daily. Here the comparisons are always
// valid: the chance that a test of equal variants ever names a winner, however long it runs and however often it is
// looked at, is at most Config.Alpha; the intervals of differences cover the truth at all times at once.
//
// The method is the mixture sequential probability ratio test with a normal mixture, in the form of asymptotic
// confidence sequences:
//
//   - R. Johari, P. Koomen, L. Pekelis, D. Walsh: Always Valid Inference: Continuous Monitoring of A/B Tests. Operations
//     Research 70(3), 2022.
//   - I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas: Time-uniform central limit theory and asymptotic
//     confidence sequences. Annals of Statistics 52(6), 2024.
//
// Rates are compared by the likelihood ratio in place of the squared z-score (they agree in large samples), which stays
// honest where successes are few; of means, no variance is taken to be smaller than that of both variants together. The
// guarantee is asymptotic in the number of outcomes, but the mixture demands most where there are few, and simulations
// in this package's tests hold the method to its word with rare successes, small canaries and skewed numbers. Of
// several variants each comparison gets its part of Alpha (Bonferroni). Outcomes are supposed to be independent: record
// one for each user, not one for each click.
//
// # Sample-ratio mismatch
//
// Variants that get other shares of the users than their weights say are the sign of a fault (a variant that crashes
// before it records, a cache, a redirect), and no result of such a test can be trusted. Results sound the alarm by the
// sequential multinomial test, which is exact at any number of looks, and name no winner then:
//
//   - M. Lindon, A. Malek: Anytime-Valid Inference For Multinomial Count Data. NeurIPS 2022.
//
// # Ramps
//
// What is counted under different weights is told apart and compared within, so that a ramp in a better week does not
// make the larger variant of that week look better (Simpson's paradox).
package abtest
