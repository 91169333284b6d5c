"""An invented bank that speaks SystemPay's language.

A shop posts a signed form (:mod:`.forms`); the bank opens a payment page, takes one of
its own trial cards (:mod:`.cards`), commits what came of it (:mod:`.store`), and only
then tells the shop (:mod:`.messages`, :mod:`.notifications`). Whoever doubts may ask
(:mod:`.rest`). :mod:`.counter` is where these acts are put together; :mod:`.views` shows
them to the payer and to the merchant.

No real money, no real card: numbers outside the list are refused, a number is kept only
as ``497010XXXXXX0014``, the three digits not at all, and PRODUCTION mode is refused.

To add a scenario, add a row to :data:`.cards.SCENARIOS`.
"""
