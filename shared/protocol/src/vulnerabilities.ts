/** What a feed has: vulnerabilities, how probable it is that one is exploited, which are, and which do not count. */
export const FEED_KINDS = ['osv', 'epss', 'kev', 'vex'] as const;
export type FeedKind = (typeof FEED_KINDS)[number];

/** In falling order; `unknown` has no score. */
export const VULNERABILITY_SEVERITIES = ['critical', 'high', 'medium', 'low', 'none', 'unknown'] as const;
export type VulnerabilitySeverity = (typeof VULNERABILITY_SEVERITIES)[number];
