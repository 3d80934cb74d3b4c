"""Banks by names of our own, since every gateway has its own codes for them (Toss: two digits, PortOne: a word)."""
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bank:
    name: str
    korean: str
    english: str
    toss: str
    portone: str


BANKS = {bank.name: bank for bank in [
    Bank("kb", "국민은행", "KB Kookmin Bank", "06", "KOOKMIN"),
    Bank("shinhan", "신한은행", "Shinhan Bank", "88", "SHINHAN"),
    Bank("woori", "우리은행", "Woori Bank", "20", "WOORI"),
    Bank("hana", "하나은행", "Hana Bank", "81", "HANA"),
    Bank("nonghyup", "농협은행", "NongHyup Bank", "11", "NONGHYUP"),
    Bank("ibk", "기업은행", "Industrial Bank of Korea", "03", "IBK"),
    Bank("kakao", "카카오뱅크", "KakaoBank", "90", "KAKAO"),
    Bank("toss", "토스뱅크", "Toss Bank", "92", "TOSS"),
    Bank("kbank", "케이뱅크", "K bank", "89", "K_BANK"),
    Bank("post", "우체국", "Korea Post", "71", "POST"),
    Bank("saemaul", "새마을금고", "MG Community Credit Cooperatives", "45", "KFCC"),
    Bank("shinhyup", "신협", "Credit Unions", "48", "SHINHYUP"),
    Bank("suhyup", "수협은행", "Suhyup Bank", "07", "SUHYUP"),
    Bank("sc", "SC제일은행", "SC First Bank", "23", "STANDARD_CHARTERED"),
    Bank("citi", "씨티은행", "Citibank Korea", "27", "CITI"),
    Bank("im", "iM뱅크(대구)", "iM Bank (Daegu)", "31", "DAEGU"),
    Bank("busan", "부산은행", "Busan Bank", "32", "BUSAN"),
    Bank("gwangju", "광주은행", "Kwangju Bank", "34", "KWANGJU"),
    Bank("jeju", "제주은행", "Jeju Bank", "35", "JEJU"),
    Bank("jeonbuk", "전북은행", "Jeonbuk Bank", "37", "JEONBUK"),
    Bank("gyeongnam", "경남은행", "Kyongnam Bank", "39", "KYONGNAM"),
    Bank("kdb", "산업은행", "Korea Development Bank", "02", "KDB"),
    Bank("local_nonghyup", "단위농협", "Local NongHyup", "12", "LOCAL_NONGHYUP"),
    Bank("savings", "저축은행", "Savings Banks", "50", "SAVINGS_BANK"),
    Bank("hsbc", "HSBC", "HSBC", "54", "HSBC"),
    Bank("sanlim", "산림조합", "National Forestry Cooperative", "64", "NFCF"),
]}
BY_TOSS_CODE = {bank.toss: bank for bank in BANKS.values()}
BY_PORTONE_NAME = {bank.portone: bank for bank in BANKS.values()}
