/** What one check says of one endpoint. */
export const CHECK_OUTCOMES = ['pass', 'fail', 'error', 'not_applicable', 'over_budget'] as const;
export type CheckOutcome = (typeof CHECK_OUTCOMES)[number];
