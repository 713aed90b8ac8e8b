using System.Text;

namespace Rollout.Actors.Text;

/// <summary>
/// Maps each byte to the printable character that byte-level vocabularies write for it (GPT-2's bytes_to_unicode).
/// Printable Latin-1 bytes stand for themselves; the 68 others take U+0100 … U+0143 in order.
/// </summary>
internal static class ByteLevelAlphabet
{
    private static readonly char[] Characters = Build();
    private static readonly Dictionary<char, byte> Bytes =
        Characters.Select((character, value) => (character, (byte)value)).ToDictionary();

    /// <summary>The character that stands for a byte.</summary>
    public static char CharacterOf(byte value) => Characters[value];

    /// <summary>The UTF-8 bytes of a text, each as its character.</summary>
    public static string FromText(string text) =>
        string.Concat(Encoding.UTF8.GetBytes(text).Select(CharacterOf));

    /// <summary>
    /// The bytes of a vocabulary entry. An entry with any other character stands for its own UTF-8 text.
    /// </summary>
    public static byte[] ToBytes(string token)
    {
        var bytes = new byte[token.Length];
        for (var i = 0; i < token.Length; i++)
        {
            if (!Bytes.TryGetValue(token[i], out bytes[i]))
                return Encoding.UTF8.GetBytes(token);
        }
        return bytes;
    }

    private static char[] Build()
    {
        var characters = new char[256];
        var next = 256;
        for (var value = 0; value < 256; value++)
        {
            var printable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            characters[value] = (char)(printable ? value : next++);
        }
        return characters;
    }
}
