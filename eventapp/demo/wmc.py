"""The words of the world mission conference."""

MAIN = {"name": {"ko": "본대회 참가", "en": "Main conference"},
        "description": {"ko": "나흘 동안의 모든 전체 집회와 선택 강의, 자료집을 포함합니다.",
                        "en": "All plenary sessions and seminars on four days, with the conference book."}}
WORKSHOP = {"name": {"ko": "캠퍼스 사역 워크숍", "en": "Campus ministry workshop"},
            "description": {"ko": "토요일 오후 세 시간. 열 명씩 모여 실제 사례로 배웁니다. 점심을 포함합니다.",
                            "en": "Three hours on Saturday afternoon, in groups of ten, with real cases. Lunch is included."}}
REFUND_NOTE = {"ko": "숙박과 식사도 같은 규칙을 따릅니다.", "en": "Lodging and meals follow the same rules."}
FORUM = {"name": {"ko": "선교 지도자 포럼", "en": "Mission leaders' forum"},
         "description": {"ko": "지부 책임자를 위한 모임입니다. 신청하시면 확인한 뒤 결제 안내를 보내 드립니다.",
                         "en": "For those who lead a chapter. We review each request, then send you payment details."}}
LODGING = {"name": {"ko": "숙박: 4인실 3박", "en": "Lodging: bed in a room for four, three nights"},
           "description": {"ko": "목요일부터 일요일까지. 같은 일행은 되도록 같은 방으로 배정합니다.",
                           "en": "Thursday to Sunday. People who register together share a room where we can."}}
TWIN = {"name": {"ko": "숙박: 2인실 3박", "en": "Lodging: bed in a twin room, three nights"},
        "description": {"ko": "목요일부터 일요일까지, 1인 요금입니다.", "en": "Thursday to Sunday, price for one person."}}
MEALS = {"name": {"ko": "식사권", "en": "Meal tickets"},
         "description": {"ko": "행사장 식당에서 쓰는 식권입니다. 나흘 동안 아홉 끼까지 고를 수 있습니다.",
                         "en": "For the dining hall, up to nine meals over the four days."}}

EVENING = {"name": {"ko": "열린 음악회", "en": "Open concert"},
           "description": {"ko": "금요일 저녁, 대회에 등록하지 않아도 누구나 무료로 오실 수 있습니다.",
                           "en": "Friday evening. Free for everyone, with or without the conference."}}

PHOTOS = {"key": "photos", "purpose": "photos", "required": False, "version": "1",
          "label": {"ko": "행사 사진에 제 모습이 나와도 괜찮습니다.", "en": "I may appear in photos of the conference."},
          "text": {"ko": "행사를 알리는 글과 홈페이지에 사진을 씁니다. 원하지 않으시면 노란 목걸이를 드립니다.",
                   "en": "Photos appear in reports and on our site. If you would rather not, we will give you a yellow lanyard."}}


def choice(value: str, ko: str, en: str) -> dict:
    return {"value": value, "label": {"ko": ko, "en": en}}


FIELDS = [
    {"key": "church", "type": "text", "required": False, "label": {"ko": "소속 교회나 지부", "en": "Your church or chapter"},
     "help": {"ko": "이름표에 함께 적습니다.", "en": "Printed on your name badge."}},
    {"key": "years", "type": "number", "required": False, "minimum": 0, "maximum": 60, "help": {},
     "label": {"ko": "선교대회에 몇 번 참석하셨나요?", "en": "How many of our conferences have you been to?"}},
    {"key": "arrival", "type": "single_choice", "required": False, "help": {},
     "label": {"ko": "어떻게 오시나요?", "en": "How will you arrive?"},
     "options": [choice("flight", "비행기 (인천공항)", "By plane (Incheon)"), choice("train", "기차나 지하철", "By train or subway"),
                 choice("bus", "단체 버스", "By group bus"), choice("car", "자가용", "By car")]},
    {"key": "flight", "type": "text", "required": False, "show_if": {"field": "arrival", "in": ["flight"]},
     "label": {"ko": "항공편과 도착 시각", "en": "Flight number and time of arrival"},
     "help": {"ko": "예: KE018, 목요일 오전 5시 40분. 공항 안내팀이 마중 나갑니다.",
              "en": "For example KE018, Thursday 5:40 am. Our team meets you at the airport."}},
    {"key": "needs", "type": "multiple_choice", "required": False, "label": {"ko": "준비해 드릴 것이 있나요?", "en": "What can we prepare for you?"},
     "help": {}, "options": [choice("vegetarian", "채식 식단", "Vegetarian meals"), choice("halal", "할랄 식단", "Halal meals"),
                             choice("allergy", "알레르기 유발 식품을 뺀 식단", "Allergen-free meals"), choice("wheelchair", "휠체어 자리", "A wheelchair space"),
                             choice("interpreting", "통역 수신기", "A receiver for interpreting"), choice("childcare", "어린이 돌봄", "Childcare")]},
    {"key": "prayer", "type": "long_text", "required": False, "label": {"ko": "함께 기도할 제목", "en": "What may we pray for?"},
     "help": {"ko": "기도팀만 봅니다.", "en": "Only the prayer team reads this."}},
    {"key": "recommendation", "type": "file", "required": False, "show_if": {"program": ["leaders-forum"]},
     "label": {"ko": "지부의 추천서", "en": "A letter from your chapter"},
     "help": {"ko": "포럼을 신청하신 분만. PDF나 사진으로 올려 주세요.", "en": "For the forum only. A PDF or a picture."}},
    {"key": "delegation", "type": "text", "required": False, "per_order": True, "help": {},
     "label": {"ko": "단체 이름", "en": "Name of your delegation"}},
]


def texts(year: int) -> dict:
    return {
        "title": {"ko": f"세계선교대회 {year}", "en": f"World Mission Conference {year}"},
        "summary": {"ko": "40개 나라에서 모인 3천 명이 나흘 동안 함께 예배하고 배우고 파송합니다.",
                    "en": "Three thousand people from forty countries: four days of worship, learning and sending."},
        "description": {
            "ko": "선교대회는 3년에 한 번, 흩어져 섬기던 사람들이 한자리에 모이는 자리입니다. 낮에는 말씀과 강의를, 저녁에는 나라마다의 "
                  "이야기를 나눕니다. 마지막 날 아침에는 새로 떠나는 이들을 위해 함께 기도합니다.\n\n"
                  "### 이런 분들을 기다립니다\n"
                  "- 캠퍼스에서 성경을 함께 읽고 있는 학생과 직장인\n- 선교지로 나가기를 준비하는 개인과 가정\n- 지부와 단체로 오시는 분들\n\n"
                  "### 언어\n모든 전체 집회는 한국어와 영어로 진행하고, 스페인어·러시아어·일본어 통역을 제공합니다. 수신기는 신청서에서 고르실 수 있습니다.\n\n"
                  "### 어린이\n5세부터 초등학생까지 어린이 프로그램이 함께 열립니다. 참가비는 없지만, 자리를 준비할 수 있도록 신청서에 적어 주세요.",
            "en": "Every three years those who serve far apart come together in one place. By day there are messages and seminars, in the "
                  "evening each country tells its story, and on the last morning we pray for those who are about to leave.\n\n"
                  "### Who should come\n"
                  "- Students and working people who read the Bible together on campus\n- Individuals and families preparing to go abroad\n"
                  "- Chapters and groups, together\n\n"
                  "### Languages\nAll plenary sessions are in Korean and English, with interpreting into Spanish, Russian and Japanese. You "
                  "can ask for a receiver in the form.\n\n"
                  "### Children\nThere is a programme for children from five to twelve. It is free, but please tell us in the form so that "
                  "we can keep places."},
        "venue": {"name": {"ko": "송도컨벤시아", "en": "Songdo Convensia"},
                  "address": {"ko": "인천광역시 연수구 센트럴로 123", "en": "123 Central-ro, Yeonsu-gu, Incheon"},
                  "map_url": "https://www.openstreetmap.org/search?query=Songdo%20Convensia"},
        "faq": [
            {"question": {"ko": "단체로 한 번에 등록할 수 있나요?", "en": "Can we register as a group?"},
             "answer": {"ko": "네. 한 번에 60명까지 등록하고 함께 결제할 수 있습니다. 엑셀의 명단을 그대로 붙여 넣으셔도 됩니다.",
                        "en": "Yes, up to 60 people in one go, with one payment. You can paste the list from a spreadsheet."}},
            {"question": {"ko": "비자 초청장을 받을 수 있나요?", "en": "Can I get an invitation letter for a visa?"},
             "answer": {"ko": "등록이 확정된 뒤 [wmc@seoul-ubf.example](mailto:wmc@seoul-ubf.example)로 여권 사본을 보내 주세요. 사흘 안에 보내 드립니다.",
                        "en": "Once your registration is confirmed, send a copy of your passport to "
                              "[wmc@seoul-ubf.example](mailto:wmc@seoul-ubf.example). We answer within three days."}},
            {"question": {"ko": "취소하면 환불받을 수 있나요?", "en": "Can I cancel and get a refund?"},
             "answer": {"ko": "대회 7일 전까지는 메일에 있는 등록 페이지에서 직접 취소하실 수 있고, 카드로 결제하신 금액은 전액 환불해 드립니다.",
                        "en": "Yes, until seven days before, on the page linked in your email. Card payments are refunded in full."}},
            {"question": {"ko": "공항에서 어떻게 가나요?", "en": "How do I get there from the airport?"},
             "answer": {"ko": "인천공항에서 303번 버스로 40분 걸립니다. 항공편을 적어 주시면 안내팀이 마중 나갑니다.",
                        "en": "Bus 303 from Incheon airport takes 40 minutes. If you give us your flight, our team will meet you."}},
            {"question": {"ko": "하루만 참석해도 되나요?", "en": "May I come for one day only?"},
             "answer": {"ko": "하루 등록은 따로 없지만, 현장에서 하루 이름표를 받으실 수 있습니다.",
                        "en": "There is no one-day ticket, but you can get a day badge at the desk."}},
        ],
    }


HALL = {"ko": "대강당", "en": "Main hall"}
ROOMS = {"ko": "2층 회의실", "en": "Rooms on the 2nd floor"}
LOBBY = {"ko": "1층 로비", "en": "Lobby"}
DINING = {"ko": "식당", "en": "Dining hall"}
SCHEDULE = (
    (0, "12:00", "14:00", "접수와 이름표", "Check-in and badges", LOBBY),
    (0, "14:00", "16:00", "여는 예배: 땅 끝까지", "Opening worship: to the ends of the earth", HALL, {"ko": "김요한 목사", "en": "Rev. John Kim"}),
    (0, "16:30", "18:00", "나라별 모임", "Meetings by country", ROOMS),
    (0, "19:30", "21:30", "저녁 집회: 아프리카의 밤", "Evening: a night with Africa", HALL, {"ko": "그레이스 므왕기", "en": "Grace Mwangi"}),
    (1, "07:00", "08:00", "새벽 기도", "Morning prayer", HALL),
    (1, "09:30", "11:30", "말씀 강해 1: 사도행전 1장", "Bible exposition 1: Acts 1", HALL, {"ko": "박은혜 선교사", "en": "Grace Park"}),
    (1, "13:30", "15:00", "선택 강의 1", "Seminars 1", ROOMS),
    (1, "15:30", "17:00", "선택 강의 2", "Seminars 2", ROOMS),
    (1, "19:30", "21:30", "저녁 집회: 유럽의 밤", "Evening: a night with Europe", HALL, {"ko": "루카스 슈나이더", "en": "Lukas Schneider"}),
    (1, "21:30", "22:30", "열린 음악회", "Open concert", LOBBY),
    (2, "07:00", "08:00", "새벽 기도", "Morning prayer", HALL),
    (2, "09:30", "11:30", "말씀 강해 2: 사도행전 8장", "Bible exposition 2: Acts 8", HALL, {"ko": "다니엘 오카포르", "en": "Daniel Okafor"}),
    (2, "12:00", "15:00", "캠퍼스 사역 워크숍", "Campus ministry workshop", ROOMS, {"ko": "이다윗", "en": "David Lee"}),
    (2, "13:30", "16:30", "선교 지도자 포럼", "Mission leaders' forum", ROOMS),
    (2, "17:30", "19:00", "나라별 저녁 식사", "Dinner by country", DINING),
    (2, "19:30", "22:00", "저녁 집회: 아시아의 밤", "Evening: a night with Asia", HALL, {"ko": "응우옌 티 마이", "en": "Nguyễn Thị Mai"}),
    (3, "08:00", "09:00", "감사 기도", "Prayer of thanks", HALL),
    (3, "09:30", "11:30", "파송 예배", "Sending service", HALL, {"ko": "김요한 목사", "en": "Rev. John Kim"}),
    (3, "11:30", "13:00", "작별 점심", "Farewell lunch", DINING),
)
