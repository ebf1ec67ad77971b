import { useState } from 'react';
import { useCan, useMe } from '../session/session.js';
import { setPreferences, usePreferences } from '../preferences/preferences.js';
import { useTime } from '../preferences/time.js';
import { Checkbox, Select } from '../ui/controls.js';
import { VisibleText } from '../ui/visible-text.js';
import { Enrolment } from './enrolment.js';
import { Policies } from './policies.js';
import { Services } from './services.js';
import { Sessions } from './sessions.js';
import { Tokens } from './tokens.js';
import { Webhooks } from './webhooks.js';
import styles from './settings.module.css';

const THEMES = [
  { id: 'system', label: 'as the system' },
  { id: 'light', label: 'light' },
  { id: 'dark', label: 'dark' },
];

/** Settings: what this browser remembers, credentials, and how the system is set up. */
export default function SettingsPage() {
  const { theme, timeZone, notify } = usePreferences();
  const { me } = useMe();
  const time = useTime();
  const can = useCan();
  const zones = ['local', 'UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')];
  return (
    <div className={styles['page']}>
      <h1>Settings</h1>
      <section className={styles['section']} aria-label="This browser">
        <h2>This browser</h2>
        <div className={styles['fields']}>
          <Select
            label="Theme"
            value={theme}
            choices={THEMES}
            onChange={(id) => setPreferences({ theme: id as typeof theme })}
          />
          <Select
            label="Time zone of tables, charts and exports"
            value={timeZone}
            choices={zones.map((id) => ({ id, label: id === 'local' ? `of this computer` : id }))}
            onChange={(id) => setPreferences({ timeZone: id })}
          />
        </div>
        {can('commands:approve') && <Notify isOn={notify} />}
        <p className={styles['note']}>
          Now it is {time.full(Date.now())} in {time.zone}.
        </p>
      </section>
      {me !== undefined && (
        <section className={styles['section']} aria-label="You">
          <h2>You</h2>
          <p>
            <VisibleText text={me.name} max={80} />, {me.role} of <VisibleText text={me.org} max={80} />.{' '}
            {me.selector === undefined ? (
              'All endpoints.'
            ) : (
              <>
                Only endpoints with <VisibleText text={me.selector} />.
              </>
            )}
          </p>
        </section>
      )}
      <Sessions />
      {can('tokens:manage') && <Tokens />}
      {can('webhooks:manage') && <Webhooks />}
      {can('system:read') && me?.selector === undefined && <Enrolment />}
      {can('system:read') && <Policies />}
      {me?.platformAdmin === true && <Services />}
    </div>
  );
}

/** The browser asks the person when it is turned on; what they said before is in its own settings. */
function Notify({ isOn }: { isOn: boolean }) {
  const [isDenied, setDenied] = useState(false);
  const change = async (wanted: boolean): Promise<void> => {
    const isGranted = !wanted || (await Notification.requestPermission()) === 'granted';
    setDenied(!isGranted);
    setPreferences({ notify: wanted && isGranted });
  };
  if (!('Notification' in globalThis)) return null;
  return (
    <div>
      <Checkbox isSelected={isOn} onChange={(wanted) => void change(wanted)}>
        Show a notification when a command waits for approval
      </Checkbox>
      {isDenied && <p className={styles['note']}>The browser does not allow it for this address.</p>}
    </div>
  );
}
