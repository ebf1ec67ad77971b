import type { CommandEnv } from '../../environment/command-env.js';
import type { ScreenSize } from '../../terminal/screen.js';
import { styleFor, type Style } from '../../terminal/table.js';
import type { View } from '../../view/view-loop.js';
import { endpointEvents } from './endpoint-events.js';
import type { EndpointChoices, EndpointScene } from './endpoint-scene.js';
import { endpointLines } from './endpoint-screen.js';
import { EndpointState, type EndpointFacts } from './endpoint-state.js';

/** One endpoint, live, on the whole terminal. */
export class EndpointView implements View {
  readonly #env: CommandEnv;
  readonly #agentId: string;
  readonly #state: EndpointState;
  readonly #style: Style;
  #choices: EndpointChoices = { order: 'cpu', showCores: true, isHeld: false, showHelp: false };
  #held: EndpointScene | undefined;

  constructor(env: CommandEnv, agent: EndpointFacts) {
    this.#env = env;
    this.#agentId = agent.agentId;
    this.#state = new EndpointState(agent, () => performance.now());
    this.#style = styleFor(env.terminal.stdout.isTTY, env.terminal.env);
  }

  lines(size: ScreenSize): readonly string[] {
    return endpointLines(this.#held ?? this.#state.scene(), this.#choices, size, this.#style);
  }

  key(key: string): boolean {
    const choices = this.#choices;
    if (choices.showHelp) {
      this.#choices = { ...choices, showHelp: false };
      return false;
    }
    switch (key) {
      case 'q':
      case 'Q':
      case 'escape':
      case 'f10':
        return true;
      case 'p':
      case 'P':
      case 'c':
        this.#choices = { ...choices, order: 'cpu' };
        return false;
      case 'm':
      case 'M':
        this.#choices = { ...choices, order: 'memory' };
        return false;
      case '1':
        this.#choices = { ...choices, showCores: !choices.showCores };
        return false;
      case 'space':
        this.#hold(!choices.isHeld);
        return false;
      case '?':
      case 'h':
      case 'f1':
        this.#choices = { ...choices, showHelp: true };
        return false;
      default:
        return false;
    }
  }

  #hold(isHeld: boolean): void {
    this.#choices = { ...this.#choices, isHeld };
    const scene = this.#state.scene();
    this.#held = isHeld ? { ...scene, history: scene.history.copy() } : undefined;
  }

  async feed(signal: AbortSignal, changed: () => void): Promise<void> {
    const onLost = (): void => {
      this.#state.lost();
      changed();
    };
    const options = { client: this.#env.client(), agentId: this.#agentId, past: '10m', signal, onLost };
    for await (const event of endpointEvents(options)) {
      const sample = this.#state.take(event);
      // The past comes in one go, and is one picture.
      if (sample?.from !== 'history') changed();
    }
  }
}
