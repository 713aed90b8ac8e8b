namespace Rollout.Actors.Settings.Hocon;

/// <summary>Puts together what was written side by side as one value.</summary>
internal static class ValuePieces
{
    /// <summary>The value, or null where there is none.</summary>
    public static RawValue? Join(List<(Token First, RawValue Value)> pieces)
    {
        var end = pieces.FindLastIndex(piece => !IsGap(piece.Value)) + 1;
        var begin = pieces.FindIndex(piece => !IsGap(piece.Value));
        if (end == 0)
            return null;
        pieces = pieces[begin..end];
        if (pieces is [var (token, only)])
        {
            return token is { Kind: TokenKind.Unquoted, Text: "null" }
                ? throw token.Origin.Error("null means nothing here, expected a value, or quotes around it")
                : only;
        }

        var structure = pieces.Find(piece => piece.Value is RawObject or RawList).Value;
        if (structure is null)
            return JoinTexts(pieces.ConvertAll(piece => piece.Value));

        pieces.RemoveAll(piece => IsGap(piece.Value));
        var misfit = pieces.Find(piece =>
            piece.Value is not RawSubstitution && piece.Value.GetType() != structure.GetType());
        if (misfit.Value is not null)
        {
            // Whichever of the two stands second is the one that is too much.
            var second = pieces.FindIndex(piece => piece == misfit) > 0 ? misfit : pieces[1];
            throw second.First.Origin.Error(
                $"unexpected {second.First.Shown}, expected ',' or a new line after the value");
        }

        return structure is RawList
            ? new RawConcatenation(pieces.ConvertAll(piece => piece.Value))
            : new RawJoin([.. pieces.Select(piece => MustBeObject(piece.First, piece.Value))]);
    }

    private static RawValue JoinTexts(List<RawValue> pieces) => pieces.TrueForAll(piece => piece is RawScalar)
        ? new RawScalar(string.Concat(pieces.Select(piece => ((RawScalar)piece).Text)), pieces[0].Origin)
        : new RawConcatenation(pieces);

    private static bool IsGap(RawValue value) => value is RawScalar { IsGap: true };

    private static RawValue MustBeObject(Token token, RawValue value) =>
        value is RawSubstitution substitution
            ? new RawSubstitution(token, substitution.Scopes, mustBeObject: true)
            : value;
}
