using static Rollout.Actors.Rewards.Answers.Expression;

namespace Rollout.Actors.Rewards.Answers;

/// <content>Sums, products, powers and what they consist of.</content>
internal sealed partial class MathParser
{
    private Expression Sum()
    {
        Enter();
        var sign = Next.Is("-") || Next.Is("±") || Next.Is("+") ? _tokens[_at++].Text : "";
        var sum = Product();
        if (sign is "-" or "±")
            sum = new Operation(sign == "-" ? "neg" : sign, sum);
        while (Next.Is("+") || Next.Is("-") || Next.Is("±"))
        {
            sign = _tokens[_at++].Text;
            var term = Product();
            sum = sign == "±" ? new Operation(sign, sum, term) : new Operation("+", sum, sign == "-" ? new Operation("neg", term) : term);
        }
        _depth--;
        return sum;
    }

    private Expression Product()
    {
        var product = Factor();
        while (true)
        {
            if (Next.Is("*") || (Next.Is("/") && _tokens[_at + 1].Kind != MathTokenKind.Word))
            {
                var sign = _tokens[_at++].Text;
                product = new Operation(sign, product, Factor());
            }
            else if (StartsFactor())
            {
                product = new Operation("*", product, Factor());
            }
            else
            {
                return product;
            }
        }
    }

    /// <summary>A factor may follow without a sign: 2x, 3(x + 1), 2√3; but 2 3 and 2 cm are no products.</summary>
    private bool StartsFactor() => Next.Kind switch
    {
        MathTokenKind.Name => !Next.Text.StartsWith("end ", StringComparison.Ordinal),
        MathTokenKind.Sign => Next.Is("(") || Next.Is("{") || Next.Is("["),
        _ => false,
    };

    private Expression Factor()
    {
        Enter();
        if (Next.Is("-"))
        {
            _at++;
            var negated = new Operation("neg", Factor());
            _depth--;
            return negated;
        }
        var value = Postfix(MathPrimary());
        if (Next.Is("^") && !(_tokens[_at + 1].Is("°") || (_tokens[_at + 1].Is("{") && _tokens[_at + 2].Is("°"))))
        {
            _at++;
            value = Postfix(new Operation("^", value, Argument()));
        }
        _depth--;
        return value;
    }

    private Expression Postfix(Expression value)
    {
        while (true)
        {
            if (Next.Is("!"))
            {
                _at++;
                value = new Operation("!", value);
            }
            else if (Next.Is("_") && value is Symbol symbol)
            {
                _at++;
                value = new Symbol($"{symbol.Name}_{Raw()}");
            }
            else if (Next.Is("_") && value is Number)
            {
                // The base of a number: a part of how it is written, as a unit is.
                _at++;
                return new Expression.Quantity(value, $"base{Raw()}");
            }
            else if (Next.Is("'") && value is Symbol primed)
            {
                _at++;
                value = new Symbol(primed.Name + "'");
            }
            else
            {
                return value;
            }
        }
    }

    private Expression MathPrimary()
    {
        var token = _tokens[_at++];
        switch (token.Kind)
        {
            case MathTokenKind.Number:
                return NumberFrom(token.Text);
            case MathTokenKind.Word when MathWords.Separators.Contains(token.Text):
                throw Wrong();
            case MathTokenKind.Word:
                return new Symbol(token.Text.Length > 1 ? token.Text.ToLowerInvariant() : token.Text);
            case MathTokenKind.Name:
                return Named(token.Text);
            case MathTokenKind.Sign:
                return Bracketed(token.Text);
            default:
                throw Wrong();
        }
    }

    private Expression Named(string name)
    {
        switch (name)
        {
            case "frac" or "binom":
                var top = Argument();
                return new Operation(name == "frac" ? "/" : name, top, Argument());
            case "sqrt":
                var degree = Next.Is("[") ? Bracketed(_tokens[_at++].Text) : Literal("2");
                return new Operation("^", Argument(), new Operation("/", Literal("1"), degree));
            case "log" when Next.Is("_"):
                _at++;
                var root = Argument();
                return new Operation("log", root, FunctionArgument());
            case var _ when MathWords.Functions.Contains(name):
                Expression? power = null;
                if (Next.Is("^"))
                {
                    _at++;
                    power = Argument();
                }
                Expression value = new Operation(name, FunctionArgument());
                return power is null ? value : new Operation("^", value, power);
            case "overline" or "bar" or "vec" or "hat":
                return new Symbol($"{name} {Raw()}");
            case var _ when name.StartsWith("begin ", StringComparison.Ordinal):
                return Matrix(name["begin ".Length..]);
            default:
                return new Symbol(name);
        }
    }

    /// <summary>A function's argument without brackets is the product that follows: sin 2x.</summary>
    private Expression FunctionArgument()
    {
        if (Next.Is("(") || Next.Is("{"))
            return Postfix(MathPrimary());
        var product = Factor();
        while (Next.Kind == MathTokenKind.Name && !MathWords.Functions.Contains(Next.Text))
            product = new Operation("*", product, Factor());
        return product;
    }

    /// <summary>The argument of a command: a group in braces, or one digit, letter or command.</summary>
    private Expression Argument()
    {
        if (Next.Is("-"))
        {
            _at++;
            return new Operation("neg", Argument());
        }
        if (Next is { Kind: MathTokenKind.Number } number && _at > 0 && _tokens[_at - 1].Kind == MathTokenKind.Name && number.Text.Length > 1
            && !number.Text.Contains('.'))
        {
            // \frac12 takes one digit at a time.
            _tokens[_at] = number with { Text = number.Text[1..] };
            return Literal(number.Text[..1]);
        }
        return MathPrimary();
    }

    private Expression Bracketed(string open)
    {
        if (open == "|")
        {
            var inside = Sum();
            Expect("|");
            return new Operation("abs", inside);
        }
        if (open is not ("(" or "[" or "{" or "\\{"))
            throw Wrong();
        var close = open switch { "{" => "}", "\\{" => "\\}", _ => "" };
        if (close.Length > 0 && Next.Is(close))
        {
            _at++;
            return new Several("{}");
        }
        var list = List("()");
        if (close.Length > 0)
        {
            Expect(close);
            return (open, list) switch
            {
                (_, Several { Kind: "()" } many) => many with { Kind = "{}" },
                ("{", _) => list,
                _ => new Several("{}", list),
            };
        }
        if (!Next.Is(")") && !Next.Is("]"))
            throw Wrong();
        close = _tokens[_at++].Text;
        if (list is Several { Kind: "()" } tuple)
            return tuple with { Kind = open + close };
        return open + close is "()" or "[]" ? list : throw Wrong();
    }

    private Several Matrix(string environment)
    {
        var rows = new List<Expression>();
        var cells = new List<Expression>();
        while (!Next.IsName($"end {environment}"))
        {
            cells.Add(Sum());
            if (Next.Is("row"))
            {
                _at++;
                rows.Add(new Several("()", [.. cells]));
                cells.Clear();
            }
            else if (Next.Is("&"))
            {
                _at++;
            }
            else if (!Next.IsName($"end {environment}"))
            {
                throw Wrong();
            }
        }
        _at++;
        if (cells.Count > 0)
            rows.Add(new Several("()", [.. cells]));
        return new Several("matrix", [.. rows]);
    }
}
