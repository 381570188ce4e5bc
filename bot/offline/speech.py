"""What a sentence does besides naming things: agreeing, refusing, thanking, leaving, booking, changing, asking, or talking of
something that has nothing to do with a trip. One sentence may do several of these."""

from __future__ import annotations

import re
from collections.abc import Mapping

BYE = r"(?:good ?)?bye\b|good ?night|adios|farewell|see (?:you|ya)|so long|peace out|la(?:ter|tas)s?[.!]*$|until next time|till next time|take care(?! of)|ciao|cya|ttyl|talk (?:to you )?(?:later|soon)|catch you later|have (?:yourself )?a (?:\w+ )?(?:nice|good|great|wonderful|lovely|fantastic|pleasant|blessed|super|safe|happy|happier|fun) (?:\w+ )?(?:day|night|evening|one|time|weekend|trip|afternoon|life|stay)|(?:nice|great|good|lovely|pleasure|enjoyed|delightful|was fun|pleasant|interesting) (?:to |it was )?(?:\w+ )?(?:\w+ing|chat|chats?|talk|speak|conversation|meeting|visit)(?: to| with)?(?: you)?|(?:nice|great|good|lovely) (?:chat|talk|convers|chatting|talking|speaking)|enjoyed (?:our|the|this) (?:chat|talk|conversation)|i(?:'m| am) (?:leaving|off|out|going) now|gotta go|got to go|have to go now|over and out|signing off|we are done (?:here|talking)"
ENOUGH = r"(?:that(?:'s|s| is| was| will| would|'ll| should|'d|ll)?(?: be| have been)? (?:all|it|everything|enough)(?! (?:right|good|fine|ok))\b(?! (?:i )?(?:for|about|in) (?:now )?(?:how|what))|nothing (?:else|more|further)|no(?:thing)? more|i(?:'m| am) (?:all )?(?:done|all set|set|all good|satisfied|finished)|(?:everything|all) (?:i|we) (?:need|needed|wanted|required|was looking for)|don't need anything|do not need anything|not need anything|taken care of (?:all|everything)|(?:is|was|be) (?:all|everything) (?:i|we)\b|no,? that(?:'s| is) (?:it|ok|okay|fine|all)|all good\b|i(?:'m| am) good\b|we(?:'re| are) good\b|have (?:all|everything) (?:i|that i))"
THANKS = r"(?:thanks?|thank ?(?:you|u)|thx|thankyou|thanx|ty\b|cheers|(?:much|really|greatly|highly) appreciated|appreciat(?:e|ed|ing|ive)|grateful|gratitude|thankful|great help|big help|(?:very|so|most|been|you(?:'re| are)) (?:\w+ )?(?:helpful|kind|great|awesome|the best)|you(?:'re| are) (?:great|the best|awesome|amazing|wonderful|a star|a pip|real)|you(?:'ve| have)? (?:been|helped|were) (?:\w+ )*(?:help(?:ful|ed)?|great|a lot|lot|me))\b"
GREET = r"^(?:(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|hiya|howdy|hola|greetings|yo|aloha|what'?s (?:up|new|happening)|wassup|sup|whats up)\b[ ,!.]*(?:there|again|everyone|you|traveloure|buddy|friend|mate|bot)?[ ,!.?]*)+$|\bhow (?:are|r|is|ya|you|have|'s|are) (?:you|u|it|things|ya|everything|we|your day|life|been|doing|are|hanging)\b(?!.*\b(?:able|going to|supposed|called|help|know)\b)|\bhow's (?:it|everything|life|your day|things|tricks)\b|\b(?:are|you) (?:you )?(?:doing )?(?:good|well|ok|okay|alright)(?: today)?\W*$|\bnice to meet you\b"
AFFIRM = r"(?:yes|yeah|yep|yup|yea|ya|yah|ye|sure(?: thing)?|ok(?:ay)?|okey|fine|alright|all right|absolutely(?! not)|certainly(?! not)|indeed|of course(?! not)|definitely(?! not)|affirmative|affirmitive|correct|right(?! now)|exactly|perfect(?:ly)?|great|excellent|awesome|wonderful|fantastic|lovely|cool|nice|good|super|brilliant|amazing|beautiful|true|facts?|agreed|agree|deal|totally|please do|go (?:ahead|for it)|do it|do that|by all means|uh[- ]?huh|precisely|roger|sweet|neat\w*|works|finally)\b"
AFFIRM_ANY = r"\b(?:sounds? (?:\w+ )?(?:good|great|perfect|nice|fine|wonderful|lovely|excellent|awesome|interesting|fantastic|delicious|right|like|neat\w*|fun|cool|amazing|okay|ok)|(?:that|it|this|one|which)(?:'s|'ll| is| will| would| does| should)?(?: be| just| all)? (?:\w+ )?(?:works?|good|great|fine|perfect|correct|right|okay|ok|nice|wonderful|lovely|true|acceptable|excellent|alright|what i (?:want|need|asked)|ideal|suitable|a good one|the (?:one|coach) i)\b|i(?:'d)? (?:like|love) (?:that|it|this|the sound)|like the sound|you(?:'re| are) (?:right|correct|not wrong)|you got (?:it|that) right|(?:please|go) ahead|works for me|i(?:'ll| will) take (?:it|that)|go (?:ahead|for it)|(?:that's|it's|is) a yes|would like that|is true|that would be|i agree|confirm(?:ed)?$|please proceed|it is (?:so|correct|true)|do (?:it|that) for me|that'?s (?:the|what))"
DENY = r"(?:no(?!\.? ?\d| problem| idea| preference| children| kids)|nope|nah|nay|never(?! ?mind\b.*\bfind)|not (?:now|yet|really|right now|at (?:the|this) (?:moment|time)|this time|today|exactly|necessarily|quite)|don't|do not|wrong|incorrect|neither|negative|invalid|false|certainly not|absolutely not|definitely not|of course not|no way|hell no|heck no|hell nah|i (?:don't|do not) (?:think|want|need|believe|like)|i(?:'d| would) (?:rather|prefer) not|not correct|that(?:'s| is)(?:n't| not) (?:right|correct|true|it))\b"
DENY_ANY = r"\b(?:i(?:'m| am) saying no|(?:that|it)(?:'s| is)(?:n't| not) (?:right|true|correct|what|good|proper|accurate|so)|do(?:n't| not) think (?:so|that)|i disagree|would prefer not|i(?:'d| would) rather not|no thank|not interested|(?:don't|do not|no longer) (?:want|need) (?:any|anything|the|a|to|it|that)(?! (?:park|wifi|free|internet))|(?:absolutely|certainly|definitely|of course) not|not (?:right now|at the moment|at this time|yet)\b|(?:the answer is|answer's) no|is false|not true|changed my mind)"
HUMAN = r"\b(?:talk|speak|chat|connect|transfer|put|pass|get|discuss|reach)\b[^.?!]{0,22}?\b(?:person|human|agent|expert|someone|somebody|representative|operator|staff|advisor|consultant|manager|supervisor|reception(?:ist)?|front desk|concierge|customer (?:service|support|care)|room service|the (?:restaurant|hotel|host|owner|bar|kitchen|spa))\b(?! (?:room|table|for))|\b(?:real|live|actual) (?:person|human|agent)\b|\bcustomer (?:service|support|care)\b|\bhuman(?: being)?(?: please)?$|\bcall me\b|^(?:human|agent|person|operator|representative|reception|manager)[.!]*$|\byour manager\b"
BOOK = r"\b(?:(?:want|like|need|get|order|have|grab)(?: to (?:get|order|have|buy))?(?: me)? (?:\w+ )?tickets? (?:to|for)\b|book(?:s|ed)?(?! (?:club|store|shop|shelf))|reserve|reserving|reservation for|reservations? (?:at|for|in|on|under|to|there|please)|make (?:me )?(?:a|an|another|the|that|my|some) (?:\w+ )?(?:booking|reservation)|(?:booking|reservation) (?:for|at|in|on|please)|buy|purchase|get (?:me )?(?:a|the|some|\w+) (?:\w+ )?(?:tickets?|table|room|seats?)|(?:schedule|arrange|order) (?:me )?(?:a|an|the|my)|rent (?:it|that|this)\b|need (?:a|an|\d+|the|some|two|three|four) (?:\w+ )?(?:table|tickets?|booking|reservation)|(?:i'd like|i want|want|like|have|need|would like|get|do you have|open|have a) (?:to (?:have|get|make) )?(?:a|an|the|another|my|free|any)? ?(?:\w+ )?(?:table|reservation|booking|appointment|slot)s?|accommodate|rent the)\b"
CHANGE = r"\b(?:change|chang(?:ing)|modif(?:y|ying)|updat(?:e|ing)|reschedul\w*|rebook\w*|re-book\w*|mov(?:e|ing) (?:my|the|our|it|that|to|from)|switch|alter|amend|adjust|extend|shorten|postpone|delay|push (?:it|my|the)|bring forward|upgrade|add \w+ (?:more |extra )?(?:people|guests|persons|person|guest|adults?|kids?|children) to|put more people|correct (?:my|the)|(?:arrive|come|be|check in|leave) (?:\w+ )?(?:earlier|later|late)(?! (?:than|deal)))\b"
BOOKED = r"\b(?:my|the|our|a|an|this|that|current|existing|room|table|hotel|restaurant|lunch|dinner) (?:\w+ ){0,3}(?:booking|reservation|appointment|order|stay|slot|table i booked|check[- ]?out|checkout|arrival|dates?|number of)\b|\breservations? (?:under|for|at|in|i)\b|\bbooking (?:under|for|at|i)\b|\brebook\b|\bi(?:'ve| have) (?:a |already )?(?:booked|reserved|reservations?|booking)\b|\banother room\b"
CANCEL = r"\b(?:cancel(?:l?ing|led|l?ations?|ation)?|call (?:it|that) off|undo (?:my|the)|(?:can't|cannot|cant|won't|can not|unable to|not able to) (?:make (?:it|my|the|our)|come|attend|go)|(?:forget|scrap|drop|kill|nix|scratch|delete|remove|void|dismiss|annul|withdraw|abort|no longer need|don't need|do not need|doesn't (?:want|need)|don't want) (?:about )?(?:my|the|our|her|his|that|this|a|any)?(?: \w+){0,3}? ?(?:reservations?|bookings?|appointments?|anymore))\b"
MORE = r"\b(?:(?:show|find|suggest|give|see|recommend|list)(?: me| us)? (?:\w+ )?(?:more|another|others?|different|else)|more (?:options|results|ideas|places|choices|suggestions|hotels|restaurants)|(?:any|some|anything|something|what|anywhere|someplace|somewhere|nothing|one) (?:else|other|different|others)|(?:any|are there|find|other|different|alternative) (?:other|others|another|different|alternatives?)|other (?:\w+ )?(?:ones?|options?|hotels?|restaurants?|places?|events?|cars?|buses|flights?|attractions?|trains?|available|things?|choices?)|another (?:one|option|hotel|restaurant|place|event|car|bus|flight|attraction|train|suggestion|choice)|something (?:better|cheaper|closer|similar)|(?:try|check|search|look) (?:\w+ )?again|different (?:one|option|hotel|restaurant|place|car|bus|flight|event|attraction)|what else|how about (?:another|a different|something)|next (?:one|option)|alternatives?|instead of (?:that|this))\b"
FIND = r"\b(?:find(?:ing)?|search(?:ing)?|look(?:ing)?(?: up)?|show|recommend|suggest(?:ions?)?|know(?: of)? any|any (?:good )?|what (?:\w+ )?(?:are|is) (?:there|available|good)|where (?:can|should|could|to|do)|need|want|would like|i'd like|like|seek(?:ing)?|help|available|are there|is there|do you (?:have|know)|in search|interested|get me|hunt|planning|how about|what about|list|see|explore|locate|wish|works|visit|options|choose)\b"
ASK = r"\?|^(?:what|which|how|where|when|who|whose|why|is|are|does|do|did|can|could|will|would|has|have|may|am|was|were|should|check|confirm|verify)\b|\b(?:tell me|let me know|i(?:'d| would) like to know|wonder(?:ing)?|hear about|do you know|info(?:rmation)?\b|details\b|confirm that|find out|ask(?:ing)? (?:about|if|whether)|question|inquire|check (?:if|to see|whether|that)|explain)"
TRAVEL = r"\b(?:trip|travel\w*|vacation|holiday|hotel|room|book\w*|reserv\w*|table|restaurant|eat|dinner|lunch|guest\w*|check[- ]?(?:in|out)|night|stay\w*|tour\w*|ticket|train|taxi|cab|bus|flight|fly\w*|airport|car|ride|parking|wi-?fi|breakfast|pool|gym|spa|reception|concierge|cart|pay|payment|price|cost|address|phone|postcode|area|stars?|people|persons?|adults?|kids?|children|date|time|available|availability|suite|bed|beds|attraction|event|museum|place|service|tomorrow|today|party|reference|arriv\w*|leav\w*|depart\w*|city|town|shower|heating|towel\w*|toilet\w*|bathroom|key|floor|elevator|lift|luggage|smok\w*|pets?|dress code|menu|order|bill|refund|cancel\w*|appointment|massage|treatment|meeting|conference|venue|seat\w*|outside|outdoors?|patio|terrace|food|cuisine|vegetarian|vegan|gluten|allerg\w*|birthday|anniversary|wheelchair|accessible|late|early|cheap|expensive|moderate|option|options)\b"
MAY = r"(?:^|[,.;] )(?:so |and |but |also |ok |okay )*(?:(?:can|could|may|should|must|do|would|shall) (?:i|we|my \w+)\b(?! (?:please |just |also )*(?:get|have|book|reserve|make|see|change|cancel|add|buy|rent|do (?:that|this)|also|take|like|want|find|go (?:with|for)))|where (?:can|could|do|should|is|are) |(?:would|will) (?!you\b|that\b|like\b|it\b)\w+ .*\b(?:ok|okay|possible|fine|work|alright)\b|(?:is|are) (?:it|there|they|the) )"
OTHER_TOPICS: Mapping[str, str] = {
    "the sky": r"weather|forecast|temperature|rain(?:ing)?|humid\w*|snow(?:ing)? (?:today|tomorrow)",
    "money": (
        r"stocks?|bitcoin|crypto\w*|shares|bank(?:ing)?|checking|savings|(?:my|the|an|your) account|credit|debit|apr|interest rates?|mortgage|loan|tax(?:es|ed)?|"
        r"income|salary|paychecks?|payday|w-?2|401k|ira|insurance|routing|pin number|my pin|fraud\w*|transactions?|transfer (?:\$|money|\d)|direct deposit|"
        r"exchange rate|currency rate|cheques?|checks? (?:order|book)|bills? (?:due|is due|for)|(?:electric|water|phone|gas|cable) bill|pay (?:my|the|off) (?:\w+ )?(?:bill|card|loan)|"
        r"get (?:my|paid) (?:payment|pay)|pay off|overdraft|card (?:declined|was)|(?:lost|stolen) card|report (?:a )?(?:lost|stolen)|freeze my|minimum payment|deposit (?:money|a check)|budget for (?:the|this) month|invest\w*"
    ),
    "the kitchen": (
        r"recipes?|cook(?:ies)?(?! class)|bake|baking|ingredient\w*|calor(?:y|ies)|nutrition\w*|carbs|substitut\w+|how long (?:do|does|should|can) (?:i |you |the )?(?:\w+ )?(?:cook|boil|bake|last|keep)|"
        r"ounces|cups of|tablespoons?|teaspoons?|dog food|cat food|feed (?:my|the|a)|grocer(?:y|ies)|shopping list|oven|microwave|fridge|freezer"
    ),
    "the house": (
        r"alarm|timer|remind(?:er|ers| me)?|to-?do(?: list)?|(?:my|the) (?:calendar|agenda|schedule for)|play (?:some )?(?:music|the)|playlists?|next song|(?:this|what) song|song|lyrics|lights?(?:bulb)?(?: in| on| off)|"
        r"living room|bedroom lights?|thermostat|vacuum|smart home|volume|backyard|front door|garage door|garden hose|laundry detergent|turn (?:on|off|up|down)|garbage|dishwasher|camera(?:s)? (?:at|in|on)|security system|listening to"
    ),
    "the car": (
        r"oil change|tires?|tyres?|tire pressure|gas (?:mileage|left|tank|station)|mpg|mileage|miles per|car (?:wash|battery|repair|engine)|jump[- ]?start|brakes?|mechanic|maintenance|engine|fuel(?:ed)? (?:up|type|does)|transmission|spark plug|windshield"
    ),
    "work": (
        r"vacation days|hours of vacation|vacation (?:hours|time|balance)|days off|time off|pto|sick days|my (?:job|boss|gpa|resume|company|employer)|job (?:opening|interview|offer)|work from home|"
        r"meetings? (?:with|at|on) (?:my|\w+ (?:at|about))|schedule (?:a )?meeting|promotion at|coworkers?|colleague's"
    ),
    "words": (
        r"translat\w*|meaning of|mean(?:s|ing)? (?:of|in)|definition|define|spell(?:ing|ed)?|synonym|antonym|pronounce|how do (?:you|i) say|grammar|abbreviation|plural of|rhyme\w*"
    ),
    "numbers": (
        r"math|homework|algebra|equation|square root|median|average of|mean of|percent of|percentage|divided by|multipl(?:y|ied|ication)|plus \d|minus \d|times \d|sum of|set of numbers|convert|measurement|how many (?:ounces|cups|grams|kilometers|feet|inches)|pi\b|dice|coin|flip a|roll a|random number"
    ),
    "games and shows": (
        r"video games?|blackjack|poker|casino|lottery|chess|score|who won|super bowl|world cup|sports? (?:score|team)|movie|film|netflix|tv show|book report|novel|author|celebrit\w+|actor|actress|band members?|guitar|piano|tuning|video|youtube|facebook|twitter|instagram|hashtag"
    ),
    "the world": (
        r"news|president|capital of|prime minister|constitution|politics|democra\w*|republican|religion|philosoph\w*|equality|war|history of|invent\w*|century|population|universe|planets?|black holes?|aliens?|ghosts?|dinosaurs?|"
        r"nuclear|chemistry|physics|biology|science|atoms?|gravity|climate|pollution|distance to the moon|how (?:old|tall|heavy|deep|fast) (?:is|are|was|do|does)|why (?:do|does|is|are|did) (?:people|the|we|it|there)|what causes|where (?:do|does|did) \w+ come from|become an?|"
        r"law(?:s|yer)?|legal|court|vote|voting|election|army|police|marijuana|drugs?|addict\w*"
    ),
    "the body": (
        r"autis\w*|diseases?|cancer|doctor|medicine|pregnan\w*|symptoms?|diets?|workouts?|exercise|lose weight|weight|vaccin\w+|blood pressure|headache|fever|flu|pills?|vitamin\w*|sick|ill\b|muscle|sleep (?:schedule|better)"
    ),
    "school": r"university|degree|scholarship|act score|sat score|exams?|grades?|teacher|school (?:closed|open)|essay|college (?:tuition|loan|application)|student",
    "pets": r"(?:my|your|a|the) (?:cat|dog|puppy|kitten|hamster|goldfish)(?:'s|s)?(?! friendly)",
    "things of mine": r"my (?:phone|computer|laptop|package|wife's|height|todo|tv|printer|wallet|keys|password|device)|order status|track my|password|wifi password|software|download|install|app\b|website down|code for me|python|javascript",
    "you": (
        r"your (?:name|hobby|hobbies|age|birthday|boss|creator|favou?rite (?:color|colour|movie|song|food|book))|are you (?:a |an )?(?:bot|robot|human|real|ai|single|married|computer|person)|classified as a bot|who (?:made|created|built|programmed) you|"
        r"who do you work for|how old are you|where (?:are|were) you (?:from|born)|do you have (?:any )?(?:pets|kids|feelings|a (?:dog|cat|family))|love me|marry|date me|whisper|language setting|speak (?:slower|faster|louder)|accent|"
        r"change your|tell me (?:a |something )?(?:joke|story|fun|funny|interesting fact|about yourself)|jokes?|poem|fun fact|what is my name|call me \w+ from now|last name|family tree|who is|who was|whose|dream\w*"
    ),
    "post": r"e-?mail (?:to|my|from)|send (?:an? )?(?:e-?mail|text|message)|text (?:my|message)|text \w+ (?:to|that)|call (?:my|mom|dad)|make a (?:phone )?call|voicemail|contacts?",
    "papers": r"passport|plug|adapter",
}
"""What people ask an assistant that has nothing to do with booking a trip."""
OUTSIDE = rf"\b(?:{'|'.join(OTHER_TOPICS.values())})\b"

_WORDS: Mapping[str, re.Pattern[str]] = {
    "bye": re.compile(rf"\b(?:{BYE})"),
    "enough": re.compile(ENOUGH),
    "thank": re.compile(rf"\b{THANKS}"),
    "greet": re.compile(GREET),
    "affirm": re.compile(
        rf"^\W*(?:(?:oh|well|and|so|hmm|ah|um|wow|thanks?|thank you|then|haha|man|hey|i see)\b[ ,!.]*)*{AFFIRM}|{AFFIRM_ANY}"
    ),
    "deny": re.compile(rf"^\W*(?:(?:oh|well|um|actually|sorry|hmm|ok|okay|uh|thanks?)\b[ ,!.]*)*{DENY}|{DENY_ANY}"),
    "human": re.compile(HUMAN),
    "book": re.compile(BOOK),
    "change": re.compile(CHANGE),
    "booked": re.compile(BOOKED),
    "cancel": re.compile(CANCEL),
    "more": re.compile(MORE),
    "find": re.compile(FIND),
    "ask": re.compile(ASK),
    "may": re.compile(MAY),
    "travel": re.compile(TRAVEL),
    "outside": re.compile(OUTSIDE),
}


def read_speech(clause: str) -> frozenset[str]:
    """The names of everything the words do."""
    return frozenset(name for name, pattern in _WORDS.items() if pattern.search(clause))
