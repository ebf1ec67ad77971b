import { useParams } from '@tanstack/react-router';
import { CommandList } from './command-list.js';
import { CommandView } from './command-view.js';

/** Commands: what was commanded, what waits for approval; `/commands/ID`: one of them, live. */
export default function CommandsPage() {
  const { commandId } = useParams({ strict: false }) as { commandId?: string };
  return commandId === undefined ? <CommandList /> : <CommandView key={commandId} commandId={commandId} />;
}
