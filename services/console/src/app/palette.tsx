import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useDeferredValue, useId, useState, type KeyboardEvent } from 'react';
import { client } from '../api/client.js';
import { setPreferences } from '../preferences/preferences.js';
import { Panel } from '../ui/panel.js';
import { VisibleText } from '../ui/visible-text.js';
import type { Page } from './pages.js';
import styles from './help.module.css';

interface Entry {
  readonly id: string;
  readonly text: string;
  readonly note: string;
  readonly run: () => void;
}

/** One box over everything: pages, endpoints by host, questions asked lately, settings. */
export function Palette({ pages, onClose }: { pages: readonly Page[]; onClose: () => void }) {
  const id = useId();
  const [text, setText] = useState('');
  const [active, setActive] = useState(0);
  const entries = useEntries(pages, text);
  const chosen = entries[Math.min(active, entries.length - 1)];
  const run = (entry: Entry | undefined): void => {
    if (entry === undefined) return;
    onClose();
    entry.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step !== 0) setActive((active + step + entries.length) % Math.max(1, entries.length));
    else if (event.key === 'Enter') run(chosen);
    else return;
    event.preventDefault();
  };
  return (
    <Panel kind="dialog" title="Search everything" onClose={onClose}>
      <input
        className={styles['input']}
        role="combobox"
        aria-label="Search"
        aria-expanded="true"
        aria-controls={id}
        aria-activedescendant={chosen === undefined ? undefined : `${id}-${chosen.id}`}
        autoFocus
        spellCheck={false}
        placeholder="page, host, question"
        value={text}
        onChange={({ target }) => {
          setText(target.value);
          setActive(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div id={id} role="listbox" aria-label="Found" className={styles['list']}>
        {entries.map((entry) => (
          <div
            key={entry.id}
            id={`${id}-${entry.id}`}
            role="option"
            aria-selected={entry === chosen}
            className={styles['item']}
            onClick={() => run(entry)}
          >
            <VisibleText text={entry.text} max={90} />
            <small>{entry.note}</small>
          </div>
        ))}
      </div>
    </Panel>
  );
}

function useEntries(pages: readonly Page[], typed: string): readonly Entry[] {
  const navigate = useNavigate();
  const text = typed.trim();
  // Enter takes what is shown for the last key: only the search at the server lags behind.
  const searched = useDeferredValue(text);
  // What a selector cannot hold is in no host name that could be searched.
  const isHost = /^[A-Za-z0-9][-\w.]*$/.test(searched);
  const hosts = useQuery({
    queryKey: ['palette', 'hosts', searched],
    queryFn: ({ signal }) =>
      client.call('GET /v1/agents', { query: { selector: `host=*${searched}*`, limit: 8 }, signal }),
    enabled: isHost && searched.length > 1,
  });
  const queries = useQuery({
    queryKey: ['queries', 'lately'],
    queryFn: ({ signal }) => client.call('GET /v1/queries', { query: { limit: 40 }, signal }),
  });
  const fixed: Entry[] = [
    ...pages.map(({ path, name, key }) => ({
      id: `page-${key}`,
      text: name,
      note: `g ${key}`,
      run: () => void navigate({ to: path }),
    })),
    { id: 'dark', text: 'Dark theme', note: 'setting', run: () => setPreferences({ theme: 'dark' }) },
    { id: 'light', text: 'Light theme', note: 'setting', run: () => setPreferences({ theme: 'light' }) },
    { id: 'utc', text: 'Times in UTC', note: 'setting', run: () => setPreferences({ timeZone: 'UTC' }) },
    { id: 'local', text: 'Times of this computer', note: 'setting', run: () => setPreferences({ timeZone: 'local' }) },
  ];
  const endpoints = (hosts.data?.items ?? []).map(({ agentId, host, presence }) => ({
    id: agentId,
    text: host,
    note: `endpoint, ${presence.state}`,
    run: () => void navigate({ to: '/fleet/$agentId', params: { agentId } }),
  }));
  const asked = (queries.data?.items ?? []).map(({ id, sql, state, pack }) => ({
    id,
    text: pack === undefined ? sql.replaceAll(/\s+/g, ' ') : `${pack.id} ${pack.version}`,
    note: `${pack === undefined ? 'question' : 'scan'}, ${state}`,
    run: () =>
      void (pack === undefined
        ? navigate({ to: '/ask/$queryId', params: { queryId: id } })
        : navigate({ to: '/scans/$scanId', params: { scanId: id } })),
  }));
  const wanted = text.toLowerCase();
  const matching = (entry: Entry): boolean => entry.text.toLowerCase().includes(wanted);
  return [...fixed.filter(matching), ...endpoints.filter(matching), ...asked.filter(matching).slice(0, 8)];
}
