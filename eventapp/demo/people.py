"""Names from many places, and the small things people write into forms. The same ones every time."""
import unicodedata
from dataclasses import dataclass
from random import Random

PARTICIPANT = "한지우"

FAMILY = (("김", "kim"), ("이", "lee"), ("박", "park"), ("최", "choi"), ("정", "jung"), ("강", "kang"), ("조", "cho"), ("윤", "yoon"),
          ("장", "jang"), ("임", "lim"), ("한", "han"), ("오", "oh"), ("서", "seo"), ("신", "shin"), ("권", "kwon"), ("황", "hwang"),
          ("안", "ahn"), ("송", "song"), ("류", "ryu"), ("남궁", "namgung"))
GIVEN = (("민준", "minjun"), ("서연", "seoyeon"), ("예은", "yeeun"), ("하준", "hajun"), ("지훈", "jihoon"), ("수빈", "subin"),
         ("은혜", "eunhye"), ("요셉", "joseph"), ("다은", "daeun"), ("현우", "hyunwoo"), ("미경", "mikyung"), ("영수", "youngsoo"),
         ("지민", "jimin"), ("찬양", "chanyang"), ("소망", "somang"), ("태영", "taeyoung"), ("보람", "boram"), ("성호", "sungho"),
         ("유진", "yujin"), ("혜린", "hyerin"), ("도윤", "doyoon"), ("나래", "narae"), ("경자", "kyungja"), ("병철", "byungchul"),
         ("솔", "sol"))
ABROAD = (
    ("Emily Carter", "US"), ("Daniel Okafor", "NG"), ("María Fernández", "MX"), ("Lukas Schneider", "DE"), ("Grace Mwangi", "KE"),
    ("João Pereira", "BR"), ("Anna Kowalska", "PL"), ("Nguyễn Thị Mai", "VN"), ("Rahul Mathew", "IN"), ("Sophie Martin", "FR"),
    ("Hannah Weiss", "DE"), ("Peter Njoroge", "KE"), ("Aiko Tanaka", "JP"), ("Kenji Sato", "JP"), ("Olena Shevchenko", "UA"),
    ("David Thompson", "GB"), ("Ruth Adeyemi", "NG"), ("Carlos Mendoza", "PE"), ("Batbayar Ganbold", "MN"), ("Liza Santos", "PH"),
    ("Miguel Reyes", "PH"), ("Sarah Johnson", "US"), ("James Lee", "US"), ("Esther Park", "CA"), ("Tomasz Nowak", "PL"),
    ("Irina Popova", "KZ"), ("Chen Wei-Ting", "TW"), ("Samuel Mensah", "GH"), ("Elif Demir", "TR"), ("Noah Williams", "AU"),
    ("Priya George", "IN"), ("Mattias Lindqvist", "SE"), ("Blessing Eze", "NG"), ("Siti Rahma", "ID"), ("Andrei Ionescu", "RO"),
    ("Isabella Rossi", "IT"), ("Juan Pablo Gutiérrez", "CO"), ("Mary Wanjiru", "KE"), ("Paul Dubois", "FR"), ("Naomi Fischer", "CH"),
)
PREFIX = {"US": "+12135550", "CA": "+14165550", "GB": "+442079460", "DE": "+49301234", "JP": "+81312345", "AU": "+61255501"}
CHURCHES = ("종로 지부", "관악 지부", "신촌 지부", "안암 지부", "대전 지부", "광주 지부", "대구 지부", "부산 지부", "수원 지부", "제주 지부")
CHAPTERS = {"US": "Los Angeles", "CA": "Toronto", "GB": "London", "DE": "Heidelberg", "JP": "Tokyo", "KE": "Nairobi", "NG": "Lagos",
            "MX": "Mexico City", "PH": "Manila", "IN": "Delhi", "UA": "Kyiv", "FR": "Paris", "BR": "São Paulo"}
PRAYERS = {
    "ko": ("새 학기 캠퍼스 모임을 위해 기도해 주세요.", "어머니의 회복을 위해 기도 부탁드립니다.", "취업을 준비하는 동생을 위해 함께 기도해 주세요.",
           "선교지로 떠나는 가정이 잘 정착하도록 기도해 주세요.", "처음 참석하는 친구가 마음을 열면 좋겠습니다."),
    "en": ("Please pray for our campus group in the new term.", "For my father's health, and for peace at home.",
           "That our visas arrive in time.", "For wisdom about where to serve next year.", "For the students who come for the first time."),
}


@dataclass
class Person:
    name: str
    email: str
    phone: str
    locale: str
    church: str
    country: str


class People:
    """An endless row of different people; `abroad` is the share of those from other countries."""

    def __init__(self, seed: int, domain: str = "example.com", abroad: float = 0.35):
        self.random, self.domain, self.abroad, self.count = Random(seed), domain, abroad, 0

    def next(self) -> Person:
        self.count += 1
        return self._from_abroad() if self.random.random() < self.abroad else self._korean()

    def _korean(self) -> Person:
        (family, latin), (given, given_latin) = self.random.choice(FAMILY), self.random.choice(GIVEN)
        return Person(family + given, f"{given_latin}.{latin}{self.count}@{self.domain}",
                      f"+8210{self.random.randrange(2000, 9999)}{self.random.randrange(10000):04}", "ko",
                      self.random.choice(CHURCHES), "KR")

    def _from_abroad(self) -> Person:
        name, country = self.random.choice(ABROAD)
        letters = unicodedata.normalize("NFKD", name.lower().replace(" ", "."))
        plain = "".join(letter for letter in letters if letter.isascii() and (letter.isalpha() or letter == "."))
        phone = f"{PREFIX[country]}{self.random.randrange(1000):03}" if country in PREFIX else ""
        return Person(name, f"{plain}{self.count}@{self.domain}", phone, "en", CHAPTERS.get(country, "Seoul"), country)
