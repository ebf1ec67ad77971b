import { useMutation, useQueryClient } from '@tanstack/react-query';
import { ApiProblem } from '@muster/api-client';
import { useRef, useState } from 'react';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import { useCan } from '../session/session.js';
import { plural, whole } from '../text/numbers.js';
import { ConfirmButton } from '../ui/confirm-button.js';
import { Button } from '../ui/controls.js';
import { download } from '../ui/download.js';
import { Empty, Failure, Notice, Waiting } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { Severity } from '../ui/severity.js';
import { VisibleText } from '../ui/visible-text.js';
import { rankOf } from './outcomes.js';
import { usePack, usePacks } from './scan-data.js';
import styles from './scans.module.css';
import { WaitingPacks } from './waiting-packs.js';

/** The packs that are applied: what is in them, and for admins another one. */
export function Packs() {
  const packs = usePacks();
  const can = useCan();
  const time = useTime();
  const [open, setOpen] = useState<string>();
  return (
    <>
      {can('packs:apply') && <ApplyPack />}
      <WaitingPacks />
      {packs.data === undefined && packs.error === null && <Waiting what="Reading packs…" />}
      {packs.data?.items.length === 0 && (
        <Empty title="No pack is applied">
          <p>
            Apply one from a file: `services/cli/packs` of Muster has linux-baseline, windows-baseline and
            suspicious-now.
          </p>
        </Empty>
      )}
      <div className={styles['packs']}>
        {packs.data?.items.map(({ id, version, title, checks, appliedBy, appliedAt, hash }) => (
          <button key={id} type="button" className={styles['pack']} onClick={() => setOpen(id)}>
            <span>
              <b>{id}</b> <span className={styles['soft']}>{version}</span>
            </span>
            <VisibleText text={title} max={200} />
            <small className={styles['soft']}>
              {plural(checks, 'check')}, applied by <VisibleText text={appliedBy.name} max={60} /> at{' '}
              {time.full(appliedAt)}, {hash.slice(0, 12)}
            </small>
          </button>
        ))}
      </div>
      {open !== undefined && <PackDrawer id={open} onClose={() => setOpen(undefined)} />}
    </>
  );
}

function PackDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const pack = usePack(id);
  const { data } = pack;
  const can = useCan();
  const queryClient = useQueryClient();
  const remove = useMutation({
    mutationFn: () => client.call('DELETE /v1/packs/{id}', { params: { id } }),
    onSuccess: async () => {
      onClose();
      queryClient.removeQueries({ queryKey: ['pack', id] });
      await queryClient.invalidateQueries({ queryKey: ['packs'] });
    },
  });
  const checks = [...(data?.contents ?? [])].sort((one, other) => rankOf(other.severity) - rankOf(one.severity));
  return (
    <Panel kind="drawer" title={id} onClose={onClose}>
      {pack.error !== null && <Failure error={pack.error} />}
      {data === undefined && pack.error === null && <Waiting what="Opening the pack…" />}
      {data !== undefined && (
        <>
          <p>
            <VisibleText text={data.description ?? data.title} max={4_000} />
          </p>
          <div className={styles['tools']}>
            <span className={styles['soft']}>
              version {data.version}, {plural(data.checks, 'check')}
            </span>
            <Button
              small
              onPress={() =>
                download(new Blob([data.text], { type: 'application/yaml' }), `${id}-${data.version}.yaml`)
              }
            >
              Save as YAML
            </Button>
            {can('packs:apply') && (
              <ConfirmButton
                what="Remove it"
                note="Nobody can run it any more. What it found stays."
                isDisabled={remove.isPending}
                onConfirm={() => remove.mutate()}
              />
            )}
          </div>
          {remove.error !== null && <Failure error={remove.error} />}
        </>
      )}
      {checks.map(({ id: check, title, severity, remediation, action }) => (
        <div key={check} className={styles['check']}>
          <Severity severity={severity} />
          <div>
            <VisibleText text={title} max={200} />
            {remediation !== undefined && (
              <small className={styles['soft']}>
                <VisibleText text={remediation} max={400} />
              </small>
            )}
            {action !== undefined && <small className={styles['soft']}>Mended by {action.name}.</small>}
          </div>
        </div>
      ))}
    </Panel>
  );
}

/** A file of YAML becomes a version of a pack; what is wrong with it is said with its line. */
function ApplyPack() {
  const queryClient = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const apply = useMutation({
    mutationFn: async (file: File) => client.call('POST /v1/packs', { body: { text: await file.text() } }),
    onSuccess: ({ id }) => {
      void queryClient.invalidateQueries({ queryKey: ['packs'] });
      void queryClient.invalidateQueries({ queryKey: ['pack', id] });
    },
  });
  const faults = faultsOf(apply.error);
  return (
    <div className={styles['tools']}>
      <input
        ref={input}
        className="vh"
        type="file"
        accept=".yaml,.yml"
        aria-label="The file of a pack"
        tabIndex={-1}
        onChange={({ target }) => {
          const file = target.files?.[0];
          if (file !== undefined) apply.mutate(file);
          target.value = '';
        }}
      />
      <Button isDisabled={apply.isPending} onPress={() => input.current?.click()}>
        {apply.isPending ? 'Applying…' : 'Apply a pack from a file…'}
      </Button>
      {apply.data !== undefined && (
        <Notice>
          {apply.data.id} {apply.data.version}{' '}
          {'digest' in apply.data
            ? 'waits for another admin, who approves it here.'
            : `is applied, with ${whole(apply.data.checks)} checks.`}
        </Notice>
      )}
      {apply.error !== null && <Failure error={apply.error} />}
      {faults.length > 1 && (
        <ul className={styles['faults']}>
          {faults.map(({ line, column, path, message }, at) => (
            <li key={at}>
              <VisibleText text={`${line}:${column} ${path}: ${message}`} max={300} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

interface Fault {
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
}

function faultsOf(error: unknown): readonly Fault[] {
  if (!(error instanceof ApiProblem)) return [];
  const faults: unknown = error.problem['faults'];
  return Array.isArray(faults) ? (faults as Fault[]) : [];
}
