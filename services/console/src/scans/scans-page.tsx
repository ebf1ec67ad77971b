import { useParams, useSearch } from '@tanstack/react-router';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import { Exceptions } from '../exceptions/exceptions.js';
import { Schedules } from '../schedules/schedules.js';
import { Empty, Failure } from '../ui/notice.js';
import { useTab } from '../ui/use-tab.js';
import { Vulnerabilities } from '../vulnerabilities/vulnerabilities.js';
import { Packs } from './packs.js';
import { RunScan } from './run-scan.js';
import { usePacks } from './scan-data.js';
import { ScanList } from './scan-list.js';
import { ScanView } from './scan-view.js';
import styles from './scans.module.css';

/** Scans: run one, what they found, the packs that they run; `/scans/ID`: one of them. The address has the tab. */
export default function ScansPage() {
  const { scanId } = useParams({ strict: false }) as { scanId?: string };
  if (scanId !== undefined) return <ScanView key={scanId} scanId={scanId} />;
  return <Overview />;
}

const TABS = [
  { id: 'scans', name: 'Scans' },
  { id: 'packs', name: 'Packs' },
  { id: 'schedules', name: 'Schedules' },
  { id: 'exceptions', name: 'Exceptions' },
  { id: 'vulnerabilities', name: 'Vulnerabilities' },
];

function Overview() {
  const { selector } = useSearch({ strict: false }) as { readonly selector?: unknown };
  const { tab, choose, page } = useTab(TABS.map(({ id }) => id));
  const packs = usePacks();
  return (
    <div className={styles['page']} ref={page}>
      <h1>Scans</h1>
      {packs.error !== null && <Failure error={packs.error} onRetry={() => void packs.refetch()} />}
      {packs.data?.items.length === 0 && tab === 'scans' && (
        <Empty title="No pack is applied">
          <p>
            A pack is a signed set of checks. An admin applies one under Packs, or with the CLI: Muster comes with
            linux-baseline, windows-baseline and suspicious-now.
          </p>
        </Empty>
      )}
      <Tabs className={styles['tabs'] ?? ''} selectedKey={tab} onSelectionChange={(key) => choose(String(key))}>
        <TabList className={styles['tablist'] ?? ''} aria-label="About scans">
          {TABS.map(({ id, name }) => (
            <Tab key={id} id={id} className={styles['tab'] ?? ''}>
              {name}
            </Tab>
          ))}
        </TabList>
        <TabPanel id="scans" className={styles['panel'] ?? ''}>
          <RunScan {...(typeof selector === 'string' ? { selector } : {})} />
          <ScanList />
        </TabPanel>
        <TabPanel id="packs" className={styles['panel'] ?? ''}>
          <Packs />
        </TabPanel>
        <TabPanel id="schedules" className={styles['panel'] ?? ''}>
          <Schedules packs={(packs.data?.items ?? []).map(({ id }) => id)} />
        </TabPanel>
        <TabPanel id="exceptions" className={styles['panel'] ?? ''}>
          <Exceptions />
        </TabPanel>
        <TabPanel id="vulnerabilities" className={styles['panel'] ?? ''}>
          <Vulnerabilities />
        </TabPanel>
      </Tabs>
    </div>
  );
}
