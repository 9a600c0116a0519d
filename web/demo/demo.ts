// The demo of Echospace: task lists that are shared between browsers. It uses
// the package as any page would. index.html holds the markup; the views fill it
// from the Model, which follows the client.

import { Client, EchospaceError, InvitationEncoder } from '@echospace/client';
import { wireConfirm } from './confirm.js';
import { DevicesDialog } from './devicesdialog.js';
import { byId, setText, show, wireDialogs } from './dom.js';
import { InviteDialog } from './invite.js';
import { JoinDialog } from './join.js';
import { ListsView } from './listsview.js';
import { LogDialog } from './logdialog.js';
import { MemberDialog } from './memberdialog.js';
import { Model } from './model.js';
import { PeopleView } from './peopleview.js';
import { hideToast, wireToast } from './say.js';
import { Settings } from './settings.js';
import { wireShortcuts } from './shortcuts.js';
import { TasksView } from './tasksview.js';
import { welcome } from './welcome.js';
import { explain, size } from './words.js';
import { WordsDialog } from './wordsdialog.js';

/** The size of the module's download, as web/build.mjs has measured it; 0 if it has not. */
declare const ENGINE_BYTES: number;

const screens = ['loading', 'failed', 'welcome', 'app'] as const;

function showScreen(screen: (typeof screens)[number]): void {
  for (const id of screens) show(byId(id), id === screen);
}

/** What can be done about the failures of the start. */
const hints: Readonly<Record<string, string>> = {
  WASM_UNAVAILABLE: 'If you run this page yourself: make build makes it, and web/dist has to be served.',
  CRASHED: 'If it happens again, the details below say what to report.',
};

function fail(error: EchospaceError): void {
  hideToast();
  for (const dialog of document.querySelectorAll('dialog')) dialog.close();
  showScreen('failed');
  const crashed = error.code === 'CRASHED';
  setText(byId('failed-title'), crashed ? 'The database engine has stopped' : 'The page could not start');
  setText(byId('failed-text'), explain(error));
  setText(byId('failed-hint'), hints[error.code] ?? '');
  setText(byId('failed-code'), `${error.code}: ${error.message}`);
  byId('failed-title').focus();
}

/** Takes an invitation out of the address, so that it is in no history and no screenshot. */
function takeInvitation(): string | undefined {
  const code = new URLSearchParams(location.hash.slice(1)).get('invitation');
  if (code === null) return undefined;
  history.replaceState(null, '', location.pathname + location.search);
  return code;
}

/** Whether an invitation makes this browser a further device of somebody. */
function isDevice(code: string | undefined): boolean {
  try {
    return code !== undefined && InvitationEncoder.decode(code).kind === 'DEVICE';
  } catch {
    return false; // the dialog says what is wrong with it
  }
}

async function start(): Promise<void> {
  byId('failed-reload').addEventListener('click', () => location.reload());
  wireDialogs();
  wireToast();
  wireConfirm();
  let invitation = takeInvitation();
  if (ENGINE_BYTES > 0)
    setText(byId('loading-text'), `Loading the database engine, ${size(ENGINE_BYTES)}, once …`);
  const client = new Client();
  try {
    await client.initialize();
  } catch (error) {
    fail(error instanceof EchospaceError ? error : new EchospaceError('INTERNAL', String(error)));
    return;
  }
  client.status.subscribe(({ state, error }) => {
    if (state === 'crashed' && error) fail(error);
  });
  const isNew = !client.halo.identity.get();
  const join = new JoinDialog(client);
  if (isNew) {
    showScreen('welcome');
    if (isDevice(invitation)) {
      join.open(invitation);
      invitation = undefined;
    }
    await welcome(client, join, invitation !== undefined);
  }

  const model = new Model(client);
  new ListsView(model);
  const tasks = new TasksView(model);
  new PeopleView(model);
  new InviteDialog(model);
  new DevicesDialog(model);
  new MemberDialog(model);
  new LogDialog(model);
  new WordsDialog(model);
  new Settings(model);
  wireShortcuts(tasks);
  showScreen('app');

  const follow = () => {
    invitation ??= takeInvitation();
    model.choose(new URLSearchParams(location.hash.slice(1)).get('list') ?? '');
    if (invitation !== undefined) join.open(invitation);
    invitation = undefined;
  };
  addEventListener('hashchange', follow);
  byId('skip').addEventListener('click', (event) => {
    event.preventDefault(); // the address names the list
    byId('content').focus();
  });
  if (isNew) byId('new-list').focus();
  follow();
}

void start();
