import { decodeBody, FRAME } from '@muster/protocol';
import type { AgentCommands } from './agent-commands.js';

/** Gives a frame about a command to the agent; false when its body does not fit. */
export function takeOrder(
  commands: AgentCommands,
  type: typeof FRAME.command | typeof FRAME.commandCancel | typeof FRAME.reportKept,
  body: Uint8Array,
): boolean {
  switch (type) {
    case FRAME.command: {
      const order = decodeBody('command', body);
      if (order.ok) commands.take(order.body);
      return order.ok;
    }
    case FRAME.commandCancel: {
      const target = decodeBody('commandCancel', body);
      if (target.ok) commands.cancel(target.body);
      return target.ok;
    }
    case FRAME.reportKept: {
      const target = decodeBody('reportKept', body);
      if (target.ok) commands.kept(target.body);
      return target.ok;
    }
  }
}
