import { FollowedFile } from '@muster/runtime';
import type { GatewayConfig } from '../../config.js';
import { FallbackRecorder, type FallbackRecorderOptions } from './fallback-recorder.js';
import { ModeHandler, type ModeHandlerOptions } from './mode-handler.js';
import { ModePolicy, parseModePolicy } from './mode-policy.js';

export interface Modes {
  readonly policyFile: FollowedFile<ModePolicy>;
  readonly desk: ModeHandler;
  readonly away: FallbackRecorder;
}

/** What decides which channel agents use, and hears when they cannot. */
export function makeModes(
  { modePolicyFile }: Pick<GatewayConfig, 'modePolicyFile'>,
  parts: Omit<ModeHandlerOptions, 'policy'> & FallbackRecorderOptions,
): Modes {
  const policyFile = new FollowedFile({
    ...{ what: 'mode policy', path: modePolicyFile, clock: parts.clock, logger: parts.logger },
    ...{ fallback: new ModePolicy(), parse: parseModePolicy },
    onChange: () => desk.reviewAll(),
  });
  const desk: ModeHandler = new ModeHandler({ ...parts, policy: () => policyFile.value });
  return { policyFile, desk, away: new FallbackRecorder(parts) };
}
