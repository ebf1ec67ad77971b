// Node finds no named exports in this CommonJS bundle.
import cvss from 'ae-cvss-calculator';
import type { OsvRecord } from './osv-record.js';

/** A CVSS score with the vector that it comes from. */
export interface Score {
  readonly score: number;
  readonly vector: string;
  readonly rating: 'none' | 'low' | 'medium' | 'high' | 'critical';
}

/** The package's declarations do not resolve, so that everything of it is unknown. */
interface CvssLibrary {
  readonly fromVector: (vector: string) => { calculateScores(): { overall: unknown } } | null;
}

/** Newer first. */
const TYPES = ['CVSS_V4', 'CVSS_V3', 'CVSS_V2'];

/**
 * The score by the newest version of CVSS that the vectors have. `undefined` without one that can be read; severities
 * of other kinds are no CVSS.
 */
export function scoreOf(severities: OsvRecord['severity']): Score | undefined {
  for (const type of TYPES) {
    for (const { type: one, score: vector } of severities ?? []) {
      const score = one === type ? scoreOfVector(vector) : undefined;
      if (score !== undefined) return score;
    }
  }
  return undefined;
}

/** The overall score of a CVSS vector of version 2, 3 or 4. */
export function scoreOfVector(vector: string): Score | undefined {
  if (!/^(?:CVSS:[34]\.[01]\/)?[A-Za-z0-9:/]{1,400}$/.test(vector)) return undefined;
  try {
    const { fromVector } = cvss as unknown as CvssLibrary;
    const parsed = fromVector(vector);
    const score = parsed?.calculateScores().overall;
    return typeof score !== 'number' || !Number.isFinite(score)
      ? undefined
      : { score, vector, rating: ratingOf(score) };
  } catch {
    // The library throws for metrics that do not exist.
    return undefined;
  }
}

/** CVSS 3.1 and 4.0, "Qualitative Severity Rating Scale". */
function ratingOf(score: number): Score['rating'] {
  if (score === 0) return 'none';
  if (score < 4) return 'low';
  if (score < 7) return 'medium';
  return score < 9 ? 'high' : 'critical';
}
