"""Make the letter of discharge of Léa Martin, `lettre-de-liaison.pdf`: synthetic, and the same bytes at every run.

python examples/dossier-martin/letter.py
"""

import json
from pathlib import Path

from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

HERE = Path(__file__).parent
LETTER = HERE / "lettre-de-liaison.pdf"
TITLE = "Lettre de liaison à la sortie d'hospitalisation"

PLAIN = ParagraphStyle("plain", fontName="Helvetica", fontSize=10, leading=14, spaceAfter=4)
RIGHT = ParagraphStyle("right", parent=PLAIN, alignment=TA_RIGHT)
HEADING = ParagraphStyle("heading", parent=PLAIN, fontName="Helvetica-Bold", fontSize=11, spaceBefore=8, spaceAfter=3)
BIG = ParagraphStyle("big", parent=PLAIN, fontName="Helvetica-Bold", fontSize=14, leading=18, spaceAfter=8)
SMALL = ParagraphStyle("small", parent=PLAIN, fontSize=8, leading=10, textColor="#666666")

SECTIONS = (
    (
        "Motif d'hospitalisation",
        "Douleur de la fosse iliaque droite avec fièvre à 38,6 °C, évoluant depuis vingt-quatre heures.",
    ),
    (
        "Synthèse du séjour",
        (
            "Appendicite aiguë non compliquée, confirmée par le scanner abdominal du 16 novembre 2026. Appendicectomie "
            "sous cœlioscopie le jour même, sans incident. Suites simples : apyrexie à quarante-huit heures, reprise "
            "du transit au deuxième jour, cicatrices propres."
        ),
    ),
    (
        "Examens remarquables",
        "CRP 112 mg/L à l'entrée, 14 mg/L à la sortie. Leucocytes 15,2 G/L à l'entrée, 7,8 G/L à la sortie.",
    ),
    (
        "Allergies et événements indésirables",
        "Aucune allergie connue. Pas d'événement indésirable pendant le séjour. Pas de transfusion.",
    ),
    ("Évolution et état à la sortie", "Patiente autonome, afébrile, douleur cotée à 2/10. Retour à domicile."),
)
TREATMENT = (
    ("Médicament", "Posologie", "Durée", "Statut"),
    ("Paracétamol 1 g", "1 comprimé, 4 fois par jour si douleur", "5 jours", "ajouté"),
    ("Phloroglucinol 80 mg", "2 comprimés, 3 fois par jour si douleur", "3 jours", "ajouté"),
    ("Éthinylestradiol/lévonorgestrel", "1 comprimé par jour", "au long cours", "poursuivi"),
)  # fmt: skip
AFTER = (
    "Soins de cicatrices par une infirmière à domicile, un jour sur deux, jusqu'au 27 novembre 2026.",
    "Consultation avec le médecin traitant dans dix jours ; consultation de chirurgie le 17 décembre 2026 à 10 h 30.",
    "Résultat d'anatomie pathologique attendu le 30 novembre 2026, adressé au médecin traitant.",
    "Consulter sans délai en cas de fièvre, de douleur croissante ou d'écoulement des cicatrices.",
)


def story() -> list:
    """The letter, paragraph by paragraph, about the patient of `Patient-lea-martin.json`."""
    patient = json.loads((HERE / "Patient-lea-martin.json").read_text("utf-8"))
    ins = patient["identifier"][0]["value"]
    names = {name["use"]: name["family"] for name in patient["name"]}
    who = f"Mme Léa {names['usual']} (née {names['official']}), née le 15 mars 1984, INS {ins} (démonstration)"
    treatment = Table(TREATMENT, colWidths=[50 * mm, 68 * mm, 26 * mm, 22 * mm])
    treatment.setStyle(
        TableStyle(
            (
                ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 9),
                ("FONT", (0, 1), (-1, -1), "Helvetica", 9),
                ("LINEBELOW", (0, 0), (-1, -1), 0.25, "#999999"),
            )
        )
    )
    return [
        Paragraph(
            "<b>Hôpital de la Vallée, site de Grenoble</b><br/>Service de chirurgie digestive<br/>FINESS 380990029",
            PLAIN,
        ),
        Paragraph("Grenoble, le 20 novembre 2026", RIGHT),
        Paragraph("À l'attention du Dr Claire MOREAU, médecin traitant", RIGHT),
        Spacer(1, 6 * mm),
        Paragraph(TITLE, BIG),
        Paragraph(who, PLAIN),
        Paragraph("Hospitalisée du 16 au 20 novembre 2026.", PLAIN),
        *(part for heading, text in SECTIONS for part in (Paragraph(heading, HEADING), Paragraph(text, PLAIN))),
        Paragraph("Traitement à la sortie", HEADING),
        treatment,
        Paragraph("Suites à donner", HEADING),
        *(Paragraph(f"• {text}", PLAIN) for text in AFTER),
        Spacer(1, 8 * mm),
        Paragraph("Dr Marc NGUYEN", RIGHT),
        Spacer(1, 6 * mm),
        Paragraph("Document de démonstration : la patiente, les professionnels et les faits sont imaginaires.", SMALL),
    ]


def main() -> None:
    """Write the letter."""
    SimpleDocTemplate(
        str(LETTER), pagesize=A4, invariant=1, title=TITLE, author="Hôpital de la Vallée", lang="fr-FR",
        leftMargin=22 * mm, rightMargin=22 * mm, topMargin=18 * mm, bottomMargin=18 * mm,
    ).build(story())  # fmt: skip
    print(f"{LETTER.name}: {LETTER.stat().st_size} bytes")


if __name__ == "__main__":
    main()
