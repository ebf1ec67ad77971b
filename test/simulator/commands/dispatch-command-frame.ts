import { decodeBody, FRAME } from '@muster/protocol';
import type { AgentCommands } from './agent-commands.js';

/** Hands a frame about a command to the agent. Returns false when its body is malformed. */
export function dispatchCommandFrame(
  commands: AgentCommands,
  type: typeof FRAME.command | typeof FRAME.commandCancel | typeof FRAME.reportKept,
  body: Uint8Array,
): boolean {
  switch (type) {
    case FRAME.command: {
      const command = decodeBody('command', body);
      if (command.ok) commands.handleCommand(command.body);
      return command.ok;
    }
    case FRAME.commandCancel: {
      const target = decodeBody('commandCancel', body);
      if (target.ok) commands.cancel(target.body);
      return target.ok;
    }
    case FRAME.reportKept: {
      const target = decodeBody('reportKept', body);
      if (target.ok) commands.reportKept(target.body);
      return target.ok;
    }
  }
}
