import { FollowedFile } from '@muster/runtime';
import type { GatewayConfig } from '../config.js';
import { AwayReports, type AwayReportsOptions } from './away-reports.js';
import { ModeDesk, type ModeDeskOptions } from './mode-desk.js';
import { ModePolicy, parseModePolicy } from './mode-policy.js';

export interface Modes {
  readonly policyFile: FollowedFile<ModePolicy>;
  readonly desk: ModeDesk;
  readonly away: AwayReports;
}

/** What decides which channel agents use, and hears when they cannot. */
export function makeModes(
  { modePolicyFile }: Pick<GatewayConfig, 'modePolicyFile'>,
  parts: Omit<ModeDeskOptions, 'policy'> & AwayReportsOptions,
): Modes {
  const policyFile = new FollowedFile({
    ...{ what: 'mode policy', path: modePolicyFile, clock: parts.clock, logger: parts.logger },
    ...{ fallback: new ModePolicy(), parse: parseModePolicy },
    onChange: () => desk.reviewAll(),
  });
  const desk: ModeDesk = new ModeDesk({ ...parts, policy: () => policyFile.value });
  return { policyFile, desk, away: new AwayReports(parts) };
}
