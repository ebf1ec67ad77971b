/**
 * Mutants that behave as the code does, or that only change what no test should pin down. Each is named by its file,
 * the mutated code as it is in the compiled file, and what the tester puts in its place; `why` says why no test can or
 * should tell the two apart.
 */
export const EQUIVALENTS = [];
