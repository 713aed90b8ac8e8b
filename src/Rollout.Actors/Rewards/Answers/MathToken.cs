namespace Rollout.Actors.Rewards.Answers;

/// <summary>What a piece of an answer is.</summary>
internal enum MathTokenKind
{
    /// <summary>Digits, with a decimal point and an exponent where there are any; thousands' marks are removed.</summary>
    Number,

    /// <summary>A letter, or a LaTeX command without its backslash.</summary>
    Name,

    /// <summary>A word, or the contents of \text.</summary>
    Word,

    /// <summary>An operator, a separator or a bracket.</summary>
    Sign,

    End,
}

/// <summary>A piece of an answer.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Its text in one spelling: × and \cdot are *, \le is ≤.</param>
/// <param name="AfterSpace">White space stands before it.</param>
internal readonly record struct MathToken(MathTokenKind Kind, string Text, bool AfterSpace = false)
{
    public bool Is(string sign) => Kind == MathTokenKind.Sign && Text == sign;

    public bool IsName(string name) => Kind == MathTokenKind.Name && Text == name;
}
