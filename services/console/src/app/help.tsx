import { Kbd } from '../ui/controls.js';
import { Panel } from '../ui/panel.js';
import { PAGES } from './pages.js';
import styles from './help.module.css';

const KEYS: readonly (readonly [string, string])[] = [
  ['Ctrl K', 'search pages, endpoints, questions'],
  ['/', 'go to the filter or selector of the page'],
  ['?', 'these keys'],
  ['Esc', 'close what is open'],
  ['Ctrl ↵', 'in Ask: run what the editor says'],
  ['Ctrl Space', 'in the editor: complete tables and columns'],
  ['↑ ↓ PgUp PgDn', 'in a table: go from row to row'],
  ['↵', 'in a table: open the row'],
  ['Space, Shift Space', 'in a table: select a row, or all from the last one'],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Panel kind="dialog" title="Keys" onClose={onClose}>
      <dl className={styles['keys']}>
        {KEYS.map(([key, what]) => (
          <Line key={key} keys={[key]} what={what} />
        ))}
        {PAGES.map(({ key, name }) => (
          <Line key={name} keys={['g', key]} what={`go to ${name}`} />
        ))}
      </dl>
    </Panel>
  );
}

function Line({ keys, what }: { keys: readonly string[]; what: string }) {
  return (
    <>
      <dt>
        {keys.map((key) => (
          <Kbd key={key}>{key}</Kbd>
        ))}
      </dt>
      <dd>{what}</dd>
    </>
  );
}
