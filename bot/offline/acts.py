"""What a clause wants done: the verb, where the words alone leave room."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.offline.clock import Clock
from bot.offline.goal import Goal
from bot.offline.kinds import KINDS
from bot.offline.needs import Needs

ACTS: Sequence[tuple[str, str]] = (
    (
        "human",
        r"\b(?:talk|speak|chat|connect|transfer|get|put|pass) (?:me )?(?:to|with|through to|over to)? ?(?:a |an |the |some)?(?:real |actual |live |human )?(?:person|human|agent|expert|someone|somebody|representative|operator|staff|advisor|people|consultant)\b"
        r"|\b(?:real|live|actual) (?:person|human|agent)\b|\bcustomer (?:service|support|care)\b|\bhuman(?: being)? please\b|\ba human\b|\bcall me\b"
        r"|^(?:human|agent|person|operator|representative)[.!]*$|\byou(?:'re| are) (?:useless|not helping)|\bnot a (?:bot|robot)\b|\bspeak to (?:you|your) (?:manager|boss)\b",
    ),
    ("paid", r"\b(?:i(?:'ve| have)? (?:just |already )?paid|payment (?:is )?(?:done|made|sent|went through)|i (?:just )?(?:did|made) the payment|did (?:it|the payment|my payment) (?:work|go through)|just paid|have paid)\b"),
    ("refund", r"\b(?:refunds?|money back|complain(?:t|ts|ing)?|dispute|chargeback|compensation|wheel ?chair|disabilit(?:y|ies)|allerg(?:y|ic|ies)|medical|visas?)\b"),
    ("balance", r"\b(?:pay (?:off )?(?:the |my )?(?:rest|balance|remainder|remaining)|(?:the |my )?(?:balance|remainder)\b(?! of power)|outstanding (?:amount|sum|payment)|(?:do|does|what) (?:i|we|do i|do we) (?:still )?owe|still (?:owe|to pay|(?:have|need) to pay)|left to pay)\b"),
    ("deposit", r"\b(?:(?:pay|put down|leave|with|just|only) (?:just |only )?(?:a |the )?deposit|deposit (?:now|first|only)|pay (?:a )?part(?:ly)? now)\b"),
    ("rebook", r"\b(?:change|move|reschedule|switch|make|update|modify|postpone|shift|push|bring)\b.{0,40}\b(?:booking|reservation|trv-\w+)\b|\b(?:reschedule|postpone)\b"),
    ("cancel", r"\bcancel(?:l?ing|led|l?ations?)?\b|\bcall (?:it|that) off\b"),
    ("trips", r"\b(?:confirm|check|verify|see if|make sure|double[- ]check)\b.*\b(?:reservation|booking|booked)\b(?! for (?:a|two|\d))|\b(?:my|our|show|see) (?:\w+ )?(?:bookings?|reservations?|trips?|itinerary|vouchers?|orders?)\b|\bbooking reference\b|\bwhat (?:have|did) (?:i|we) (?:booked|book)\b|\bstatus of (?:my|the|our)\b|\b(?:is|was) (?:it|my booking|the request) (?:confirmed|approved)\b"),
    ("promo", r"\b(?:promo(?:tion)?|discount|voucher|coupon)(?: ?code)?\b|\bcode\b"),
    ("checkout", r"\b(?:check ?-?out|checkout|pay(?: now| for it| please| up)?|proceed|finali[sz]e|purchase|place (?:the|my) order|complete (?:the|my) (?:booking|order)|book (?:it|them|everything|all|both|all of (?:it|them)|the (?:lot|cart|whole thing))|confirm (?:it|the|my)|ready to (?:book|pay)|let'?s book|buy (?:it|them))\b"),
    ("total", r"\b(?:what(?:'s| is| does)? (?:the|my|our|that|it all)? ?(?:total|sum|come to|in (?:my|the|our) (?:cart|basket))|(?:the|my|our|grand) total|how much (?:is|does|would) (?:it|that|everything|all)(?: all)?(?: (?:come|cost|in total|altogether))|show (?:me )?(?:my |the |our )?(?:cart|basket)|(?:my|the|our) (?:cart|basket)|what(?:'s| is| do i have| have i got) in (?:the|my|our)|total price|total cost|in total|sum up|summary)\b|^(?:cart|basket|total)[.?!]*$"),
    ("remove", r"\b(?:remove|delete|drop|take (?:.{1,30} )?(?:out|off|away)|get rid of|without|skip|scrap|forget(?: about)?|don'?t want|not (?:the|that)|lose the|leave out|kick out)\b"),
    ("change", r"\b(?:change|make (?:it|that|them|the)|switch|move|update|modify|reschedule|instead|actually|rather|increase|reduce|adjust)\b"),
    ("more", r"\b(?:show (?:me )?(?:some )?more|more (?:options|results|ideas|like|of|please|choices|offers)|anything else|what else|others?(?: options)?|something else|next page|alternatives?|different (?:one|ones|options?)|any others?)\b|^more[.!?]*$"),
    ("cheaper", r"\b(?:cheaper|less expensive|lower price|too expensive|too much|cheapest|lowest price|more affordable|better price|by price)\b"),
    ("better", r"\b(?:best rated|top rated|highest rated|best reviewed|better rated|by rating|best ones)\b"),
    ("details", r"\b(?:more (?:about|info(?:rmation)?|details?)|tell me (?:more|about)|details?|describe|what(?:'s| is) included|is .{2,30} included|include[sd]?|where (?:is|do we|does|do i) .{0,20}(?:meet|located|start|it)?|meeting point|how long|duration|what time does|cancell?ation policy|what about the|what is the|what's the|info(?:rmation)? (?:on|about)|reviews?|age limit)\b"),
    ("price", r"\b(?:how much|what(?:'s| is) the (?:price|cost|rate)|price (?:of|for)|what does .{1,30} cost|cost of|the cost)\b"),
    ("availability", r"\b(?:is (?:it|that|this|there|the .{2,30}?) (?:free|available|still)|available (?:on|for|in)|availability|any (?:free )?(?:places|spots|rooms|tables|space|availability)(?: left)?|which days|what days|when (?:can|is|does|could) (?:i|we|it)|free (?:on|days|slots)|still (?:free|available))\b"),
    ("add", r"\b(?:add|take|i'?ll (?:have|take|go)|we'?ll (?:have|take|go)|book|reserve|choose|pick|select|go (?:for|with)|i want|let'?s (?:do|go|take|get)|put .{1,40} (?:in|into)|sounds (?:good|great|perfect)|i like|get (?:me|us)|sign (?:me|us) up)\b"),
    ("help", r"\b(?:what can you do|how (?:does|do) (?:this|it|you) work|(?<!your )(?<!the )(?<!for )help(?: me)?(?: out)?$|what (?:is|are) (?:this|you)|who are you|are you (?:a )?(?:bot|robot|human|real|ai)|which (?:cities|places|destinations|countries)|where can (?:i|we) go|what cities)\b|^help[.!?]*$"),
    ("restart", r"\b(?:start (?:over|again|from scratch)|forget everything|reset|clear (?:the |my )?(?:cart|basket|everything)|new trip|empty (?:the|my) (?:cart|basket))\b"),
)  # fmt: skip


HOW_PAY = re.compile(
    r"\b(?:(?:take|accept|pay (?:by|with|in)|paying (?:by|with)) (?:american express|amex|visa|master ?card|(?:credit |debit )?cards?|cash|pay ?pal|apple pay|google pay|bitcoin|crypto|bank transfer)|how (?:does|do|can|would|will) (?:the )?(?:paying|payments?|i pay|we pay|it work with pay\w*)|is it (?:safe|secure)|safe to pay|secure payment|which cards|payment methods?)\b"
)


LANGUAGE = re.compile(
    r"\b(?:speak|talk|in) (?:spanish|french|german|italian|portuguese|japanese|chinese|another language)\b|\bother languages?\b"
)


THANKS = re.compile(r"\b(?:thanks?|thank you|thx|cheers|much appreciated|great help|you'?re (?:great|the best|awesome)|ta)\b")


BYE = re.compile(
    r"\b(?:bye|goodbye|see (?:you|ya)|that'?s (?:all|it|everything)|nothing else|no(?:thing)? more|i'?m (?:done|all set|good)|have a (?:nice|good|great))\b"
)


YES = re.compile(r"^(?:yes|yeah|yep|yup|sure|ok|okay|fine|please do|go ahead|absolutely|of course|definitely|sounds (?:good|great|perfect)|perfect|great|correct|right|exactly|that'?s (?:right|fine|good|perfect)|do it|please|alright|let'?s do (?:it|that))\b")  # fmt: skip


NO = re.compile(r"^(?:no|nope|nah|not (?:now|yet|really)|never ?mind|don'?t|wrong|neither)\b")


OUTSIDE = re.compile(
    r"\b(?:weather|forecast|temperature|rain(?:ing)?|joke|poem|story|song|recipe|news|stock|bitcoin|football score|who won|president|capital of|translate|"
    r"math|homework|alarm|timer|remind me|play (?:some )?music|email|text my|bank|credit score|balance|insurance|exchange rate|currency rate|"
    r"meaning of life|your favou?rite|love me|marry|date me|code for me|python|flights?|fly|plane ticket|airlines?|passport|vaccin\w+|plug|adapter|tip(?:ping)?)\b"
)


EXPLICIT_ADD = re.compile(r"\b(?:add|book|reserve|take|choose|pick|select|put|buy|get (?:me|us)|sign (?:me|us) up|i'll have|we'll have)\b")


ASKS_FOR = re.compile(r"\b(?:is there|are there|do you have|have you got|anything|something|any)\b")


OTHER_TIME = re.compile(r"\b(?:different|another|other|earlier|later) (?:time|hour|start|slot)\b")


KNOW = re.compile(r"\b(?:(?:need|want|like|love) to know|let me know|tell me) (?:how|what|which|the|its|if|whether|about the)\b")
INDEFINITE = re.compile(
    r"^(?:i(?:'d| would) like |i want |we want |find |show (?:me |us )?|looking for |need |i need |is there |are there |do you have )*(?:a|an|any|some)\b"
)


BY_PRICE = re.compile(
    r"\b(?:the )?(?:cheaper|cheapest|least expensive|lowest priced?)(?: one| option| of (?:them|those|these|the \w+))?[.!]*(?: please)?[.!]*$"
)


ASKS_AGAIN = re.compile(r"\b(?:any|anything|something|same|show|find|is there|are there|do you have|got|more|too)\b")


OTHER_ONE = re.compile(r"\b(?:the|that) other(?: one)?\b")


CHANGE_FIRST = re.compile(
    r"^(?:please |can (?:you|we|i) |could (?:you|we|i) |i(?:'d| would) like to |i want to |let'?s )*(?:change|move|switch|reschedule|make|update|modify)\b"
)


def act_of(clause: str) -> str | None:
    for act, pattern in ACTS:
        if re.search(pattern, clause):
            return act
    return None


POINTS = re.compile(r"\b(?:it|its|that|this|they|them|there|those|these|you|your)\b")


VAGUE_FACTS = {"duration", "price", "hours", "type", "area", "stars"}
"""What "how long", "how much" and "what kind of" may ask of anything in the world."""
CHATTING = {"affirm", "deny", "greet", "bye", "thank", "enough", "human", "cancel", "change", "more", "book"}


def _elsewhere(goal: Goal, clause: str, chosen: bool, topic: str | None) -> bool:
    """Is this about something that has nothing to do with travel: one of the usual other topics, or, where nothing is
    talked about yet, a sentence without a word of ours in it? Asked before anything else is read into it."""
    if chosen or goal.city or "human" in goal.speech:
        return False
    if goal.needs.asks and (topic or not set(goal.needs.asks) <= VAGUE_FACTS or "travel" in goal.speech):
        return False
    facts = goal.place or goal.party.said or goal.when.nights or goal.needs.mode
    if "outside" in goal.speech:
        wants = goal.kind and (WANTS_SOME.search(clause) or {"book", "booked", "cancel"} & goal.speech or topic)
        return not (facts or wants or (topic and {"travel", "cancel", "booked"} & goal.speech))
    if facts or goal.kind or {"travel", "cancel", "booked"} & goal.speech:
        return False
    bare = not (goal.words or goal.needs or goal.when.start or goal.clock != Clock())
    long = len(re.findall(r"[a-z']+", clause)) >= 5
    if topic is None and bare and long and not CHATTING & goal.speech:
        return True
    asks = "ask" in goal.speech and bool(
        re.match(
            r"(?:please |can you |could you |hey |so )*(?:what|which|how|who|whose|why|tell me|explain|when|is|are|does|do|did)\b", clause
        )
    )
    return bool(long and asks and bare and not POINTS.search(clause))


PICK_ONE = re.compile(
    r"\b(?:any (?:one|of (?:them|those|these))|either|whichever|whatever|(?:you|that you) (?:pick|choose|decide|recommend)|your (?:choice|pick|recommendation|favou?rite)|"
    r"pick (?:one|any)|surprise me|choose (?:one|any)|one of (?:them|those|these))\b"
)


WANTS_SOME = re.compile(
    rf"\b(?:a|an|any|some|another|find|need|looking for|want)\s+(?:\w+\s){{0,4}}?(?:{'|'.join(KINDS.values())}|place)\b"
)


DEFINITE = re.compile(
    r"\b(?:your|the|this|that|my|our) (?:\w+ )?(?:hotels?|rooms?|restaurants?|bus|train|ride|car|museum|place|tour|class|trip|stay|flat|apartment)\b"
)
IS_IT = re.compile(
    r"^(?:and |but |ok |okay |so |great |yes |well |also |first |,|\.)*(?:is|are|does|do|has|have|will) (?:it|they|that|this|the (?:[\w' ]+? )?(?:hotel|guesthouse|restaurant|place|attraction|room|one))\b(?! (?:a|an|any|available|still|free on)\b)"
)
""" "Is it expensive?", "does the hotel have parking?": asked of what was shown."""


def _narrows(needs: Needs) -> bool:
    return bool(
        needs.area
        or needs.level
        or needs.cuisine
        or needs.sort
        or needs.stars is not None
        or needs.features
        or needs.origin
        or needs.destination
    )


def decide_act(goal: Goal, act: str | None, clause: str, named_before: bool, topic: str | None) -> str:
    """The act of a clause, where the words alone leave room."""
    chosen = goal.ordinal is not None or (goal.product is not None and goal.product_score >= 55)
    told = goal.party.said or goal.when.start or goal.when.nights or goal.clock.at or goal.rooms
    if act in ("balance", "deposit", "rebook"):
        return act
    if _elsewhere(goal, clause, chosen, topic):
        return "outside"
    if HOW_PAY.search(clause):
        return "how_pay"
    if LANGUAGE.search(clause):
        return "language"
    if act in ("human", "paid", "refund", "trips", "promo", "restart") or (act == "help" and not (goal.kind or _narrows(goal.needs))):
        return act
    if "deny" in goal.speech and "book" in goal.speech and act in ("checkout", "add", None) and not goal.says_something:
        return "no"
    if (
        goal.kind
        and goal.kind == topic
        and "ask" in goal.speech
        and DEFINITE.search(clause)
        and not (told or _narrows(goal.needs))
        and act != "add"
    ):
        return "availability" if act == "availability" else "details"
    if goal.needs.asks and KNOW.search(clause) and not (told or goal.city or goal.needs.area or goal.needs.level):
        return "details"
    allowed = (
        topic and "may" in goal.speech and act in (None, "details", "availability") and not (goal.needs.arrive or goal.clock != Clock())
    )
    if allowed and not (goal.kind or _narrows(goal.needs) or goal.party.said or chosen):
        return "availability" if act == "availability" else "details"
    if IS_IT.match(clause) and (goal.needs.checks or goal.needs.asks) and not told and not goal.city:
        return "is_it"
    if WANTS_SOME.search(clause) and _narrows(goal.needs) and act in ("details", "add", "price", "availability", None) and not named_before:
        return "search"
    if goal.needs.arrive and act in ("details", "availability", None):
        return "search"
    if act == "cancel":
        return "policy" if re.search(r"\bcancell?ation (?:policy|rules|terms)|can i cancel|free cancell?ation\b", clause) else "cancel"
    if act == "checkout" and goal.product and goal.product_score >= 90 and "book" in goal.speech:
        return "choose"  # "the sail sounds good, book it"
    if act == "checkout" and not (goal.kind and goal.says_something and goal.city) and not goal.ordinal:
        if re.search(r"\bpay\b", clause) and re.search(r"\b(?:how|when|where|can i pay|do i pay|pay (?:later|there|cash|on))\b", clause):
            return "how_pay"
        return "checkout"
    if act == "total":
        return "total"
    if act == "remove" and (chosen or goal.kind or goal.words or re.search(r"\b(?:it|that|this|last|everything|all)\b", clause)):
        return "remove"
    if act == "cheaper" and goal.party.said and not goal.kind:
        return "inform"  # "is it cheaper for six?"
    if act in ("more", "cheaper", "better") and not goal.kind and not (goal.words and not chosen):
        return act
    if (
        act == "change"
        and (goal.party.said or goal.party.more or goal.when.start or goal.when.nights or goal.clock.at or goal.clock.first)
        and not goal.kind
    ):
        return "change"
    if act == "add" and not goal.kind and re.search(r"\b(?:it|that|this|that one|this one)\b", clause):
        return "choose"
    if act == "change" and (goal.party.said or goal.when.start or goal.clock.at) and goal.product:
        return "change"
    if goal.party.more or (act == "change" and told and CHANGE_FIRST.match(clause)):
        return "change"
    if act in ("details", "price", "availability") and not goal.needs.asks and OUTSIDE.search(clause) and not chosen and not goal.kind:
        return "outside"
    if act in ("details", "price", "availability") and goal.product:
        return act
    if act in ("details", "price", "availability") and (chosen or re.search(r"\b(?:it|that|this|there)\b", clause) or not goal.kind):
        return act
    if act == "availability" and goal.kind:
        return "search"
    if goal.needs.asks and PICK_ONE.search(clause):
        return "details"
    if (
        goal.needs.asks
        and not goal.when.start
        and not goal.party.said
        and not goal.city
        and not WANTS_SOME.search(clause)
        and not _narrows(goal.needs)
    ):
        return "details"
    named = named_before and (act == "add" or not INDEFINITE.search(clause))
    if goal.ordinal is not None or named or (chosen and EXPLICIT_ADD.search(clause) and not INDEFINITE.search(clause)):
        return "choose"
    if "book" in goal.speech and told and not goal.kind and not goal.words and not goal.city and not _narrows(goal.needs):
        return "choose"  # "I'd like to book it for seven people"
    if goal.kind or (goal.words and (goal.city or act == "add" or goal.when.start or len(goal.words.split()) >= 1)):
        if OUTSIDE.search(clause) and not goal.kind:
            return "outside"
        return "search"
    if OTHER_TIME.search(clause):
        return "other_time"
    if goal.unknown_city and not goal.city:
        return "unknown_city"
    if OUTSIDE.search(clause):
        return "outside"
    if goal.says_something:
        return "inform"
    if "book" in goal.speech and not {"deny", "bye", "enough"} & goal.speech and act in (None, "add", "checkout"):
        return "choose"
    if THANKS.search(clause):
        return "thanks"
    if BYE.search(clause):
        return "bye"
    if YES.search(clause):
        return "yes"
    if NO.search(clause):
        return "no"
    if act in ("more", "cheaper", "better", "details", "price", "availability", "checkout", "change", "remove"):
        return act
    if ASKS_FOR.search(clause) and goal.unknown_words:
        return "search"
    if act == "add":
        return "choose"
    return "unclear"
