"""Words that tell a domain or a kind of writing, whichever source they stand in."""

from collections.abc import Mapping
from types import MappingProxyType

DOMAIN_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "A": (
            "patient patients disease diseases clinical medical medicine treatment treatments "
            "symptoms symptom therapy diagnosis diagnosed surgery surgical hospital doctor "
            "doctors physician nurse drug drugs dose infection infections cancer tumor blood "
            "heart lung liver kidney brain bone muscle cells tissue chronic acute syndrome "
            "disorder disorders genetic mutation trial placebo mortality risk health "
            "healthcare vaccine virus bacteria diabetes pain pregnancy fetal artery vein "
            "nerve anatomy physiology prescription diet obesity insulin hormone skin dental "
            "pharmacy weight pills allergy fever immune cohort"
        ),
        "B": (
            "market markets bank banks banking stock stocks shares share investors investor "
            "investment investments invest fund funds bond bonds interest loan loans credit "
            "debt mortgage finance financial revenue revenues profit profits earnings "
            "dividend quarterly analysts economy economic inflation cash equity asset assets "
            "liability accounting tax taxes capital price prices billion million dollar "
            "dollars currency exchange trading portfolio insurance wealth budget fiscal rate "
            "valuation acquisition merger company companies income expenses balance sheet oil "
            "nasdaq profitability shareholders"
        ),
        "C": (
            "court courts law laws legal statute statutes act section subsection paragraph "
            "article plaintiff defendant judge jury attorney attorneys lawyer lawyers "
            "contract contracts liability liable tort crime criminal penalty shall hereby "
            "thereof pursuant provisions provision regulation regulations license licensed "
            "council code amended repealed effective rights jurisdiction appeal appeals "
            "constitutional enforcement violation damages property copyright patent trademark "
            "agreement parties party clause warranty arbitration district mayor permit "
            "offense conviction evidence"
        ),
        "D": (
            "school schools student students teacher teachers teaching education educational "
            "learn learning classroom college university campus curriculum course courses "
            "grade grades exam exams lesson lessons homework tuition degree degrees "
            "undergraduate graduate faculty academic kindergarten instruction instructor "
            "tutor literacy scholarship enrollment children kids pupils skills training "
            "worksheet quiz syllabus preschool"
        ),
        "E": (
            "engineering engineer science scientific scientists physics chemistry chemical "
            "energy solar battery electric electrical electronics circuit voltage laser robot "
            "robots machine machines device devices technology technologies hardware chip "
            "chips processor computer computers digital data artificial intelligence nasa "
            "space spacecraft satellite planet star stars galaxy quantum particle particles "
            "atom atoms molecule temperature material materials sensor sensors design "
            "prototype innovation research researchers experiment laboratory climate carbon "
            "species earth biology evolution geology steel"
        ),
        "F": (
            "game games player players team teams season league match coach score scored win "
            "won football soccer baseball basketball hockey tennis golf cricket olympic "
            "olympics championship cup race racing film films movie movies actor actress "
            "director hollywood television tv show shows episode music song songs album "
            "albums band guitar singer concert tour celebrity star fans video pop rock rap "
            "dance netflix character gameplay xbox playstation nintendo inning goal goals "
            "quarterback tournament chess poker"
        ),
        "G": (
            "theorem lemma proof proposition corollary equation equations function functions "
            "polynomial algebra algebraic geometry geometric topology category morphism "
            "morphisms scheme ring rings field fields module modules vector vectors matrix "
            "matrices integral derivative limit set sets finite infinite group groups "
            "homomorphism isomorphism integer integers prime probability statistics variance "
            "mean deviation distribution sample hypothesis fraction fractions decimal "
            "multiply divide graph slope exact mathbf mathcal frac definition let suppose "
            "denote type equivalence"
        ),
        "H": (
            "code function class method methods return string int bool void import def self "
            "print variable variables array list object objects python java javascript rust "
            "cargo api library module package compiler compile runtime error exception null "
            "true false loop algorithm software developer developers programming program git "
            "github repository commit database sql server client http html css json xml yaml "
            "parameter parameters argument arguments type types struct enum trait pointer "
            "file files directory install command linux windows unix docker debug script "
            "interface callback thread bug byte bytes"
        ),
        "I": (
            "government governments president congress senate senator house election "
            "elections vote voters votes campaign democrat democrats democratic republican "
            "republicans party political politics policy policies minister prime parliament "
            "federal state states nation national nations war military army troops foreign "
            "treaty united security iraq iran israel palestinian administration agency "
            "agencies public citizens citizen americans america freedom peace congressional "
            "governor mayor bush obama putin terrorism terrorist rebels nuclear diplomatic "
            "sanctions constitution legislature bureaucracy union"
        ),
        "J": (
            "history historical century ancient medieval empire king queen prince lord church "
            "god jesus christ bible religion religious faith prayer holy spirit christian "
            "islam muslim jewish buddhist hindu philosophy philosopher philosophers "
            "philosophical ethics moral soul culture cultural anthropology art arts artist "
            "artists painting paintings museum gallery sculpture literature literary novel "
            "poem poetry poet author writer book books story stories language languages "
            "english grammar word words myth tradition traditional civilization revolution "
            "colonial slavery dynasty said thou thy love heart man mr mrs sir"
        ),
        "K": (
            "transport transportation transit bus buses train trains rail railway railroad "
            "station stations route routes trip trips stop stops vehicle vehicles car cars "
            "truck trucks driver drivers driving traffic road roads highway bridge airport "
            "airline airlines flight flights aircraft plane pilot ship ships shipping vessel "
            "port harbor cargo passenger passengers fare fares schedule parking bicycle bike "
            "engine motor motorcycle fuel tires mileage wheel commuter subway freight toyota "
            "ford honda travel"
        ),
        "L": (
            "shop shopping store stores buy price prices sale sales discount coupon order "
            "orders shipping delivery product products customer customers cart checkout offer "
            "offers brand brands retail retailer retailers amazon ebay walmart free gift "
            "gifts cheap deal deals purchase return refund warranty item items size color "
            "leather cotton dress shoes jewelry watch bag stock quality marketing consumers "
            "consumer reviews review seller auction wholesale catalog promo advertising "
            "advertisement merchandise"
        ),
        "M": (
            "network networks protocol protocols packet packets router routers routing ip tcp "
            "udp internet broadband wireless wifi mobile cellular phone phones telephone "
            "telecom carrier carriers sms text call calls message messages bandwidth lte "
            "gateway header headers ietf rfc dns address addresses port transmission signal "
            "radio antenna spectrum modem voice voip subscriber subscribers operator "
            "operators verizon vodafone nokia ericsson link node nodes ethernet mpls bgp sip "
            "txt reply datagram"
        ),
        "N": (
            "farm farms farmer farmers farming agriculture agricultural crop crops soil seed "
            "seeds plant plants planting harvest irrigation fertilizer pesticide pesticides "
            "herbicide weed weeds wheat corn maize rice soybean soybeans cotton cattle cow "
            "cows dairy milk livestock sheep pigs poultry chicken horse horses breed garden "
            "gardening orchard fruit fruits vegetable vegetables grain acre acres hectare "
            "yield rainfall growers insect pest pests fungus blight leaf leaves roots tree "
            "trees forestry compost manure pasture hay"
        ),
    }
)
"""Words of each domain but Other, in lower case."""

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "function": (
            "the of and to a in that is was he for it with as his on be at by i this had not "
            "are but from or have an they which one you were her all she there would their we "
            "him been has when who will more no if out so said what up its about into than "
            "them can only other new some could time these two may then do first any my now "
            "such like our over man me even most made after also did many before must through "
            "where"
        ),
        "first_person": ("i me my mine we us our ours myself ourselves i'm i've"),
        "second_person": ("you your yours yourself"),
        "third_person": ("he she him her his hers they them their"),
        "link": (
            "however therefore thus moreover furthermore although whereas because hence "
            "nevertheless consequently since while indeed instead rather despite though "
            "unless similarly likewise additionally meanwhile accordingly finally"
        ),
        "academic": (
            "analysis significant significantly method results hypothesis theory evidence "
            "study studies research data model models conclusion conclusions approach "
            "approaches associated increased compared observed defined concept concepts "
            "example examples structure process processes effect effects factors term terms "
            "described distribution"
        ),
        "explain": (
            "example means called defined refers consider known define describe explain "
            "explains follows shown figure chapter section table note"
        ),
        "site": (
            "home login log sign register account click menu search contact privacy cookies "
            "cookie subscribe newsletter copyright reserved website site page pages link "
            "links email comments comment posted post reply share tweet facebook twitter "
            "instagram pinterest previous next read more archive archives categories tags "
            "blog admin username password"
        ),
        "sell": (
            "free buy now order offer save money guarantee guaranteed cash win winner prize "
            "best cheap discount limited today call click deal credit instant urgent claim "
            "amazing unsubscribe opportunity income earn bonus"
        ),
        "chat": (
            "u ur lol ok hey hi hello thanks thx pls gonna wanna yeah haha dont im oh "
            "hmm wat luv gd 4 2 b r n"
        ),
        "adult": (
            "sex sexy porn nude naked xxx adult erotic escort dating viagra cialis penis fuck "
            "shit bitch ass kill hate die murder rape"
        ),
        "code": (
            "return def self int void public static class import include const let fn struct "
            "null none true false elif endif printf var"
        ),
        "old": ("thou thee thy thine hath doth hast art shalt o'er ere unto upon whom whilst"),
    }
)
"""Words of kinds of writing, in lower case."""
