import type { CommandJson } from '@muster/api-contract';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { AgainPanel, UndoPanel } from './again-panels.js';
import { useActions } from '../act/use-action.js';
import { client } from '../api/client.js';
import { useCan } from '../session/session.js';
import { plural, whole } from '../text/numbers.js';
import { Button } from '../ui/controls.js';
import { Failure } from '../ui/notice.js';
import { againCount } from './again.js';

/** Cancel while it runs; then again for those that failed, and undo. Both open a panel: neither is done by one press. */
export function CommandActions({ command }: { command: CommandJson }) {
  const can = useCan();
  const [open, setOpen] = useState<'again' | 'undo'>();
  const { id } = command;
  const cancel = useMutation({ mutationFn: () => client.call('DELETE /v1/commands/{id}', { params: { id } }) });
  const actions = useActions();
  const action = actions.data?.items.find(({ name }) => name === command.action);
  const { succeeded } = command.ledger;
  const again = againCount(command, action);
  const isUndoable = command.status === 'ended' && !command.dryRun && succeeded > 0 && action?.reversible === true;
  const close = (): void => setOpen(undefined);
  return (
    <>
      {cancel.error !== null && <Failure error={cancel.error} />}
      {command.status === 'ended' && can('commands:run') && actions.error !== null && (
        <Failure error={actions.error} onRetry={() => void actions.refetch()} />
      )}
      {command.status !== 'ended' && can('commands:cancel') && (
        <Button small look="danger" isDisabled={cancel.isPending} onPress={() => cancel.mutate()}>
          Cancel
        </Button>
      )}
      {again > 0 && can('commands:run') && (
        <Button small onPress={() => setOpen('again')}>
          Order again for the {whole(again)}…
        </Button>
      )}
      {isUndoable && can('commands:run') && (
        <Button small onPress={() => setOpen('undo')}>
          Undo on {plural(succeeded, 'target')}…
        </Button>
      )}
      {open === 'again' && action !== undefined && <AgainPanel command={command} action={action} onClose={close} />}
      {open === 'undo' && <UndoPanel command={command} onClose={close} />}
    </>
  );
}
