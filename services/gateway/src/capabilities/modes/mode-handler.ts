import type { DirectoryWriter } from '@muster/directory';
import { CAPABILITY } from '@muster/protocol';
import { FollowedFile } from '@muster/runtime';
import type { Capability, CapabilityContext, HelloRemainder, WelcomeAddition } from '../../foundation/capability.js';
import type { OperatorOverrides } from '../../foundation/operator-overrides.js';
import type { SessionView } from '../../foundation/session-view.js';
import { FallbackRecorder } from './fallback-recorder.js';
import { ModeAssigner } from './mode-assigner.js';
import { createModeMetrics } from './mode-metrics.js';
import { ModePolicy, parseModePolicy } from './mode-policy.js';

export interface ModeHandlerOptions extends CapabilityContext {
  readonly overrides: Pick<OperatorOverrides, 'modeOf' | 'listen'>;
  readonly directory: Pick<DirectoryWriter, 'recordFallback'>;
  /** Without a file every agent uses Live, unless an operator decides otherwise. */
  readonly policyFile: string | undefined;
}

/** Which channel agents use: assigns it by overrides and policy, and records when agents could not use it. */
export class ModeHandler implements Capability {
  readonly name = CAPABILITY.mode;
  readonly frames: Capability['frames'] = [];
  readonly #policy: FollowedFile<ModePolicy>;
  readonly #assigner: ModeAssigner;
  readonly #fallbacks: FallbackRecorder;

  constructor(options: ModeHandlerOptions) {
    const { hub, overrides, policyFile, clock, logger } = options;
    const context = { ...options, metrics: createModeMetrics(options.metrics) };
    this.#policy = new FollowedFile({
      ...{ what: 'mode policy (MUSTER_GATEWAY_MODE_POLICY_FILE)', path: policyFile, clock, logger },
      ...{ fallback: new ModePolicy(), parse: parseModePolicy },
      onChange: () => this.#assigner.reviewAll(),
    });
    this.#assigner = new ModeAssigner({ ...context, policy: this.#policy });
    this.#fallbacks = new FallbackRecorder(context);
    overrides.listen({
      modeChanged: (org, agentId) => {
        const session = hub.get(agentId);
        if (session?.org === org) this.#assigner.review(session);
      },
    });
  }

  start(): Promise<void> {
    return this.#policy.start();
  }

  stop(): Promise<void> {
    this.#assigner.stop();
    this.#policy.stop();
    return this.#fallbacks.stop();
  }

  welcome(session: SessionView): WelcomeAddition | undefined {
    const mode = this.#assigner.welcome(session);
    return mode === undefined ? undefined : { mode };
  }

  ready(session: SessionView, { away: fallback }: HelloRemainder): void {
    if (fallback !== undefined) this.#fallbacks.record(session, fallback);
  }

  relabelled(session: SessionView): void {
    this.#assigner.review(session);
  }

  closed(session: SessionView): void {
    this.#assigner.closed(session);
  }
}
