// The history of the record that the token is for: what the server gives, and not a word about what it does not.
import { CLIENT_ID, REDIRECT, SERVER, STANDALONE, told } from './app.js';

const at = (id) => document.getElementById(id);
const made = (name, text, more = {}) => Object.assign(document.createElement(name), { textContent: text ?? '' }, more);
const day = (text) => (text ? new Date(text).toLocaleDateString('fr-FR', { dateStyle: 'long' }) : '');
const words = (concept) => concept?.text ?? concept?.coding?.[0]?.display ?? concept?.coding?.[0]?.code ?? '';
const named = (names) => {
  const name = names?.find((each) => each.use === 'official') ?? names?.[0];
  return name?.text ?? [name?.given?.join(' '), name?.family].filter(Boolean).join(' ');
};
const measured = (each) => (each.valueQuantity ? `${each.valueQuantity.value} ${each.valueQuantity.unit ?? ''}` : words(each.valueCodeableConcept));
// the parts of a measure, such as the two pressures of one
const parts = (each) => (each.component ?? []).map((part) => `${words(part.code)} ${measured(part)}`).join(', ');

// What is shown, in this order: the heading, the search, the date and the words of a line.
const SECTIONS = [
  ['Documents', 'DocumentReference', '_sort=-date', (each) => each.date, (each) => each.description ?? words(each.type)],
  ['Allergies', 'AllergyIntolerance', '', (each) => each.recordedDate, (each) => words(each.code)],
  ['Problèmes', 'Condition', '', (each) => each.recordedDate ?? each.onsetDateTime, (each) => words(each.code)],
  ['Traitements', 'MedicationRequest', '', (each) => each.authoredOn, (each) => words(each.medicationCodeableConcept)],
  ['Vaccinations', 'Immunization', '', (each) => each.occurrenceDateTime, (each) => words(each.vaccineCode)],
  ['Mesures', 'Observation', '_sort=-date', (each) => each.effectiveDateTime, (each) => [words(each.code), measured(each) || parts(each)].filter(Boolean).join(' : ')],
];

async function opened(client, attachment) {
  const headers = { Authorization: client.getAuthorizationHeader(), Accept: attachment.contentType ?? '*/*' };
  const answer = await fetch(new URL(attachment.url, `${client.state.serverUrl}/`), { headers });
  if (!answer.ok) throw new Error(answer.status);
  window.open(URL.createObjectURL(await answer.blob()));
}

function line(client, each, dated, said) {
  const item = made('li');
  item.append(made('time', day(dated(each)), { dateTime: dated(each) ?? '' }), made('span', said(each)));
  const attachment = each.content?.[0]?.attachment;
  if (attachment?.url) {
    const button = made('button', 'Ouvrir', { type: 'button', ariaLabel: `Ouvrir « ${said(each)} »` });
    button.addEventListener('click', () => opened(client, attachment).catch((fault) => { at('state').textContent = told(fault); }));
    item.append(button);
  }
  return item;
}

async function section(client, [heading, type, order, dated, said]) {
  const shown = made('section');
  shown.append(made('h2', heading));
  try {
    const url = `${type}?${[`patient=${client.patient.id}`, order].filter(Boolean).join('&')}`;
    const found = await client.request(url, { pageLimit: 0, flat: true });
    const resources = found.filter((each) => each.resourceType === type);
    const list = made('ul');
    list.append(...resources.map((each) => line(client, each, dated, said)));
    shown.append(resources.length ? list : made('p', 'Rien à montrer.'));
  } catch (fault) {
    if (fault?.status !== 403) throw fault;
    shown.append(made('p', 'Cette partie du dossier ne vous est pas ouverte.'));
  }
  return shown;
}

async function show(client) {
  const token = client.state.tokenResponse;
  const user = await client.user.read();
  at('who').textContent = `Connecté : ${named([].concat(user.name ?? [])) || client.user.resourceType}`;
  at('who').hidden = false;
  if (token.need_patient_banner !== false) {
    const patient = await client.patient.read();
    at('name').textContent = named(patient.name);
    at('about').textContent = `Né(e) le ${day(patient.birthDate)}`;
    at('patient').hidden = false;
  }
  at('history').replaceChildren(...await Promise.all(SECTIONS.map((each) => section(client, each))));
  at('state').textContent = '';
  at('foot').hidden = false;
}

function begin(event) {
  event.preventDefault();
  at('state').textContent = 'Ouverture…';
  FHIR.oauth2
    .authorize({ iss: at('server').value, clientId: CLIENT_ID, scope: STANDALONE, redirectUri: REDIRECT, pkceMode: 'required' })
    .catch((fault) => { at('state').textContent = told(fault); });
}

at('leave').addEventListener('click', () => { sessionStorage.clear(); location.assign(REDIRECT); });
at('start').addEventListener('submit', begin);
at('server').value = new URLSearchParams(location.search).get('server') ?? SERVER;
if (new URLSearchParams(location.search).has('state') || sessionStorage.getItem('SMART_KEY')) {
  FHIR.oauth2.ready().then(show).catch((fault) => { at('state').textContent = told(fault); at('start').hidden = false; });
} else {
  at('state').textContent = '';
  at('start').hidden = false;
}
